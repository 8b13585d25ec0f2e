from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.records import Record
from faces.images import encode_png, pixels_key
from faces.labels import AgeGroup

RECORDS = (
    Record(condition="WS", age_years=1, age_group="infant", person="a", expression=0.5),
    Record(condition="WS"),
    Record(age_group="child", licence="CC0"),
)


def pictures(count: int = 3, size: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def write(path: Path, records: tuple[Record, ...] = RECORDS) -> Path:
    with DatasetWriter(path) as writer:
        for picture, record in zip(pictures(len(records)), records, strict=True):
            writer.add(picture, record)
    return path


def write_nvidia(path: Path, labels: object, table: str | None = None) -> Path:
    """A set as NVIDIA's dataset tool writes it, without our table unless given."""
    with zipfile.ZipFile(path, "w") as archive:
        for index, picture in enumerate(pictures()):
            archive.writestr(f"00000/img{index:08d}.png", encode_png(picture))
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
        if table is not None:
            archive.writestr("labels.csv", table)
    return path


def nvidia_labels(*values: object) -> list[list[object]]:
    return [[f"00000/img{index:08d}.png", value] for index, value in enumerate(values)]


@pytest.mark.parametrize("name", ["faces", "faces.zip"])
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    with Dataset.open(write(tmp_path / name)) as dataset:
        assert len(dataset) == 3
        assert dataset.size == 8
        np.testing.assert_array_equal(dataset.images(), pictures())
        np.testing.assert_array_equal(dataset.image(1), pictures()[1])
        assert dataset.key(1) == pixels_key(pictures()[1])
        assert dataset.record(0).person == "a"
        assert dataset.record(2).licence == "CC0"
        assert dataset.landmarks() is None
        assert dataset.labels is not None
        np.testing.assert_allclose(dataset.labels[1], [1, 0, 0, 0] + [0.2] * 5)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_set_keeps_the_identifiers_of_its_conditions(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "own", identifiers={"other": {"OMIM": "OMIM:136140"}}) as writer:
        writer.add(pictures()[0])
    with Dataset.open(tmp_path / "own") as dataset:
        assert dataset.identifiers == {"other": {"OMIM": "OMIM:136140"}}


def test_a_set_without_identifiers_has_those_of_the_catalogue(tmp_path: Path) -> None:
    path = write(tmp_path / "old")
    meta = json.loads((path / "dataset.json").read_text())
    del meta["vocabulary"]["identifiers"]
    (path / "dataset.json").write_text(json.dumps(meta))
    with Dataset.open(path) as dataset:
        assert dataset.identifiers["22q11DS"]["ORPHA"] == "ORPHA:567"


@pytest.mark.parametrize("name", ["faces", "faces.zip"])
def test_form_is_the_one_nvidia_reads(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name)
    if path.is_dir():
        names = {file.relative_to(path).as_posix() for file in path.rglob("*.png")}
        meta = json.loads((path / "dataset.json").read_text())
    else:
        with zipfile.ZipFile(path) as archive:
            assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
            names = {entry for entry in archive.namelist() if entry.endswith(".png")}
            meta = json.loads(archive.read("dataset.json"))
    labels = dict(meta["labels"])
    assert set(labels) == names == {f"00000/img{index:08d}.png" for index in range(3)}
    assert labels["00000/img00000000.png"] == [1, 0, 0, 0, 1, 0, 0, 0, 0]
    assert meta["vocabulary"]["conditions"] == ["WS", "22q11DS", "other", "unaffected"]
    assert meta["vocabulary"]["ages"][-1] == {"name": "older_adult", "from_years": 35, "to_years": None}


def test_set_without_any_label_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "faces", (Record(), Record()))
    assert json.loads((path / "dataset.json").read_text())["labels"] is None


def test_a_data_set_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    assert write(tmp_path / "a.zip").read_bytes() == write(tmp_path / "b.zip").read_bytes()


def test_landmarks_and_other_files_travel_along(tmp_path: Path) -> None:
    points = np.random.default_rng(1).uniform(0, 8, (2, 68, 2))
    with DatasetWriter(tmp_path / "a.zip") as writer:
        for picture, landmarks in zip(pictures(), points, strict=False):
            writer.add(picture, None, landmarks)
        writer.add_file("more.csv", b"file\n")
    with Dataset.open(tmp_path / "a.zip") as dataset:
        np.testing.assert_allclose(dataset.landmarks(), points, rtol=1e-6)


def test_counts_per_condition_and_age_group(tmp_path: Path) -> None:
    counts = Dataset.open(write(tmp_path / "faces")).counts()
    assert counts["WS"] == {
        **dict.fromkeys(["child", "adolescent", "young_adult", "older_adult"], 0),
        "infant": 1,
        "unknown": 1,
    }
    assert counts["unknown"]["child"] == 1
    assert sum(sum(row.values()) for row in counts.values()) == 3


def test_another_vocabulary_travels_along(tmp_path: Path) -> None:
    ages = (AgeGroup("young", 0, 50), AgeGroup("old", 50, 120))
    with DatasetWriter(tmp_path / "a", conditions=("KS", "none"), ages=ages) as writer:
        writer.add(pictures()[0], Record(condition="KS", age_group="old"))
    dataset = Dataset.open(tmp_path / "a")
    assert (dataset.conditions, dataset.ages) == (("KS", "none"), ages)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [[1, 0, 0, 1]]


@pytest.mark.parametrize("name", ["faces", "faces.zip"])
def test_an_error_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    records = (*RECORDS, Record(condition="unheard of"))
    with pytest.raises(DatasetError, match="unheard of"):
        write(tmp_path / name, records)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_refuses_what_it_could_not_read(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no picture for"), DatasetWriter(tmp_path / "empty"):
        pass
    write(tmp_path / "a")
    with pytest.raises(DatasetError, match="exists already"):
        DatasetWriter(tmp_path / "a")
    with DatasetWriter(tmp_path / "b") as writer:
        writer.add(pictures()[0])
        with pytest.raises(DatasetError, match="9 x 9 pixels; expected squares of 8"):
            writer.add(pictures(size=9)[0])
        with pytest.raises(DatasetError, match="8 x 4 pixels"):
            writer.add(pictures()[0, :4])
        with pytest.raises(DatasetError, match="'KS' is not in the vocabulary; expected one of WS"):
            writer.add(pictures()[0], Record(condition="KS"))
    writer = DatasetWriter(tmp_path / "c")
    writer.add(pictures()[0], None, np.zeros((68, 2)))
    writer.add(pictures()[1])
    with pytest.raises(DatasetError, match="some pictures have landmarks"):
        writer.__exit__(None, None, None)


def test_plain_nvidia_set_of_vectors(tmp_path: Path) -> None:
    vector = [0, 0, 1, 0, 0, 0, 0, 1, 0]
    path = write_nvidia(tmp_path / "n.zip", nvidia_labels(vector, [0.25] * 4 + [0.2] * 5, vector))
    with Dataset.open(path) as dataset:
        assert dataset.record(0).condition == "other"
        assert dataset.record(0).age_group == "young_adult"
        assert dataset.record(1) == Record("00000/img00000001.png")


def test_plain_nvidia_set_of_classes(tmp_path: Path) -> None:
    with Dataset.open(write_nvidia(tmp_path / "n.zip", nvidia_labels(0, 2, 1))) as dataset:
        assert dataset.labels is not None
        assert dataset.labels.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
        assert dataset.record(1).condition is None


def test_plain_nvidia_set_without_labels(tmp_path: Path) -> None:
    with Dataset.open(write_nvidia(tmp_path / "n.zip", None)) as dataset:
        assert dataset.labels is None
        assert len(dataset.records) == 3


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (nvidia_labels(0, 1), "no label for '00000/img00000002.png'"),
        (nvidia_labels(0, 1, 0, 1), "labels '00000/img00000003.png', which is not in the set"),
        ([*nvidia_labels(0, 1, 0), *nvidia_labels(1)], "twice"),
        (nvidia_labels([0, 1], [1], [1, 0]), "one form"),
        (nvidia_labels("WS", "WS", "other"), "expected int or float vectors"),
        (nvidia_labels(0, 10**9, 0), "expected classes below 10000"),
        (nvidia_labels([0.5, 0.5], [float("nan"), 1.0], [0.5, 0.5]), "not finite"),
        ([7], "one form"),
    ],
)
def test_labels_that_break_the_form(labels: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=f"dataset.json.*{message}"):
        Dataset.open(write_nvidia(tmp_path / "n.zip", labels))


WS, OTHER = [1, 0, 0, 0] + [0.2] * 5, [0, 0, 1, 0] + [0.2] * 5
ROWS = "file,condition\n" + "".join(f"00000/img{index:08d}.png,WS\n" for index in range(3))


@pytest.mark.parametrize(
    ("labels", "table", "message"),
    [
        (None, f"{ROWS}x.png,\n", r"labels\.csv, column file: 'x\.png' is not in the set"),
        (None, ROWS.replace("00000/img00000001.png,WS\n", ""), r"labels\.csv has no row for '.*1\.png'"),
        (None, f"{ROWS[:-3]}XX\n", r"labels\.csv, row 4, column condition: 'XX'"),
        (nvidia_labels(WS, OTHER, WS), ROWS, r"contradict each other on '.*1\.png'"),
        (nvidia_labels(0, 1, 0), ROWS, r"contradict each other on '.*0\.png'"),
    ],
)
def test_table_must_match_files_and_labels(labels: object, table: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message):
        Dataset.open(write_nvidia(tmp_path / "a.zip", labels, table))


def test_pictures_must_be_alike(tmp_path: Path) -> None:
    path = write(tmp_path / "faces")
    (path / "00000" / "img00000001.png").write_bytes(encode_png(pictures(size=9)[0]))
    (path / "00000" / "img00000002.png").write_bytes(b"broken")
    dataset = Dataset.open(path)
    with pytest.raises(DatasetError, match=r"img00000001.png is 9 x 9 pixels; expected squares of 8"):
        dataset.images()
    with pytest.raises(DatasetError, match=r"img00000002.png: .* cannot be decoded"):
        dataset.image(2)


def test_what_is_no_data_set(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("text")
    for name, message in (("none.zip", "cannot be opened"), ("text.zip", "expected a folder or a zip")):
        with pytest.raises(DatasetError, match=message):
            Dataset.open(tmp_path / name)
    with pytest.raises(DatasetError, match="holds no pictures"):
        Dataset.open(tmp_path)
    path = write(tmp_path / "faces")
    for text, message in (
        ("{", "is not JSON"),
        ("[]", "not an object"),
        ('{"vocabulary": 3}', "has another form than expected"),
    ):
        (path / "dataset.json").write_text(text)
        with pytest.raises(DatasetError, match=message):
            Dataset.open(path)
