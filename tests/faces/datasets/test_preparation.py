from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.csv_reports import format_csv
from core.errors import ConfigError, DatasetError
from faces.align import align
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.preparation import AlignmentPlan, AlignmentSettings, Outcome, align_photographs, plan_alignment
from faces.datasets.records import Record
from faces.detect import FaceDetector
from faces.images import Pixels, encode_png


@pytest.fixture
def folder(tmp_path: Path, astronaut: Pixels) -> Path:
    """Every kind of file a user's folder may hold."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    face = astronaut[:300, 50:400]
    pictures = {
        "good.png": encode_png(face),
        "cut.png": encode_png(astronaut[:, 190:]),
        "none.png": encode_png(np.full((60, 60, 3), 200, np.uint8)),
        "two.png": encode_png(np.concatenate([face, face[:, ::-1]], axis=1)),
        "empty.jpg": b"",
        "notes.txt": b"no picture",
        "truncated.png": encode_png(face)[:5000],
    }
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    Image.fromarray(face).convert("L").save(folder / "sub" / "grey.jpg")
    return folder


def run(work: AlignmentPlan, out: Path, **settings: object) -> dict[str, Outcome]:
    outcomes: list[Outcome] = []
    with DatasetWriter(out) as writer:
        align_photographs(work, writer, settings=AlignmentSettings(64, **settings), on_outcome=outcomes.append)  # type: ignore[arg-type]
    assert len(outcomes) == len(work) == len({outcome.file for outcome in outcomes})
    return {outcome.file: outcome for outcome in outcomes}


def test_missing_ages_are_estimated_and_marked_where_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    records = [Record("good.png"), Record("cut.png", age_years=3, age_group="child")]
    plan = plan_alignment(folder, records, wanted=lambda file: file in ("good.png", "cut.png"))
    with DatasetWriter(tmp_path / "out") as writer:
        align_photographs(plan, writer, settings=AlignmentSettings(32), estimate_age=lambda image: len(image) + 0.04)
    with Dataset.open(tmp_path / "out") as dataset:
        ages = [(record.age_years, record.age_group, record.age_source) for record in dataset.records]
    assert ages == [(32.0, "young_adult", "estimated"), (3, "child", None)]


def test_every_file_is_accounted_for(folder: Path, tmp_path: Path, astronaut: Pixels, detector: FaceDetector) -> None:
    outcomes = run(plan_alignment(folder), tmp_path / "out.zip")
    assert {name: outcome.reason for name, outcome in outcomes.items()} == {
        "good.png": "",
        "cut.png": "",
        "two.png": "",
        "sub/grey.jpg": "",
        "none.png": "no face",
        "empty.jpg": "unreadable",
        "notes.txt": "unreadable",
        "truncated.png": "unreadable",
    }
    assert {outcome.status for outcome in outcomes.values() if outcome.image} == {"used"}
    assert outcomes["two.png"].faces >= 2
    assert outcomes["cut.png"].cut
    assert outcomes["cut.png"].padded > 0.1
    assert not outcomes["good.png"].cut
    assert "empty (0 bytes)" in outcomes["empty.jpg"].detail
    with Dataset.open(tmp_path / "out.zip") as dataset:
        assert (len(dataset), dataset.size) == (4, 64)
        files = [record.file for record in dataset.records]
        index = files.index(outcomes["good.png"].image)
        photograph = astronaut[:300, 50:400]
        expected = align(photograph, detector.largest(photograph).landmarks, 64)
        np.testing.assert_array_equal(dataset.image(index), expected.image)
        points = dataset.landmarks()
        assert points is not None
        assert np.abs(points[index].mean(axis=0) - (32, 38)).max() < 4
        assert not any("good" in str(record) for record in dataset.records), "file names may name people"


def test_rows_and_files_are_matched(folder: Path, tmp_path: Path) -> None:
    rows = (
        Record("good.png", "WS", person="p1"),
        Record("lost.png"),
        Record("sub/grey.jpg", age_group="child"),
    )
    work = plan_alignment(folder, rows, leave_out=[folder / "notes.txt"])
    outcomes = run(work, tmp_path / "out")
    assert outcomes["lost.png"].reason == "no such file"
    assert {o.file for o in outcomes.values() if o.reason == "not in the table"} == {
        "cut.png",
        "none.png",
        "two.png",
        "empty.jpg",
        "truncated.png",
    }
    records = Dataset.open(tmp_path / "out").records
    assert [(r.condition, r.age_group, r.person) for r in records] == [
        ("WS", None, "p1"),
        (None, "child", None),
    ]


def test_landmarks_set_by_hand_are_taken_instead_of_a_detector(folder: Path, tmp_path: Path) -> None:
    points = np.full((68, 2), np.nan)
    points[36:42], points[42:48], points[48], points[54] = (20, 20), (40, 20), (24, 40), (36, 40)
    plan = plan_alignment(folder, [Record("none.png"), Record("two.png")])
    outcomes = run(replace(plan, landmarks={"none.png": points, "two.png": points + 1e4}), tmp_path / "out")
    used = outcomes["none.png"]
    assert (used.status, used.detector, used.score) == ("used", "hand", None)
    assert outcomes["two.png"].reason == "no alignment"
    with Dataset.open(tmp_path / "out") as dataset:
        stored = dataset.landmarks()
        assert stored is not None
        assert np.isfinite(stored[0]).any(axis=1).sum() == 14


def test_limits_refuse_with_their_numbers(folder: Path, tmp_path: Path) -> None:
    work = plan_alignment(folder, [Record("good.png"), Record("cut.png")])
    outcomes = run(work, tmp_path / "a", max_padded=0.1)
    assert outcomes["good.png"].status == "used"
    assert outcomes["cut.png"].reason == "too much padding"
    assert "is above 10%" in outcomes["cut.png"].detail
    with pytest.raises(DatasetError, match="no picture for"):
        run(work, tmp_path / "b", min_score=9.0)


def test_several_processes_prepare_the_same_data_set(folder: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        with DatasetWriter(tmp_path / f"{workers}.zip") as writer:
            align_photographs(plan_alignment(folder), writer, settings=AlignmentSettings(32), workers=workers)
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_whatever_fails_in_one_file_the_others_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: Pixels, landmarks: object, size: int) -> object:
        if image.shape[1] == 350:  # good.png and grey.jpg
            raise RuntimeError("out of luck")
        return align(image, landmarks, size)  # type: ignore[arg-type]

    monkeypatch.setattr("faces.datasets.preparation.align", fail)
    outcomes = run(plan_alignment(folder), tmp_path / "out")
    assert (outcomes["good.png"].reason, outcomes["good.png"].detail) == (
        "failed",
        "RuntimeError: out of luck",
    )
    assert outcomes["cut.png"].status == "used"


def test_broken_model_is_said_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model.dat").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match=r"model\.dat cannot be loaded"):
        run(plan_alignment(folder), tmp_path / "out", landmark_model=tmp_path / "model.dat")


def test_report_has_a_line_for_each() -> None:
    outcomes = [
        Outcome("a.png", "used", image="00000/img00000000.png", faces=1, score=1.5, cut=False, padded=0.25),
        Outcome("b,c.png", reason="no face", detail='none "found"', faces=0),
    ]
    rows = list(csv.DictReader(io.StringIO(format_csv(outcomes))))
    assert rows[0]["padded"] == "0.25"
    assert rows[1]["file"] == "b,c.png"
    assert rows[1]["status"] == "refused"
    assert rows[1]["score"] == ""


def test_portraits_are_prepared(portraits: Path, tmp_path: Path) -> None:
    """A batch of real-looking portraits and hard cases: most are used, all are accounted for."""
    files = sorted((portraits / "images").glob("*.jpg"))[40::160] + sorted((portraits / "hard").glob("*.jpg"))[::10]
    records = [Record(file.relative_to(portraits).as_posix()) for file in files]
    outcomes = run(AlignmentPlan(portraits, tuple(records), ()), tmp_path / "out")
    assert sum(outcome.status == "used" for outcome in outcomes.values()) >= len(files) // 2
    assert {outcome.reason for outcome in outcomes.values()} <= {"", "no face"}
