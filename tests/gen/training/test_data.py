from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from core.seen_images import SeenImages
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.records import Record
from gen.training.data import Exclusion, load, read_groups


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "faces.zip"
    with DatasetWriter(path) as writer:
        for number in range(6):
            record = Record(
                condition="unaffected",
                age_group="child" if number == 0 else None,
                person=f"p{number // 2}",
                source=f"scans/{number}.jpg",
            )
            writer.add(np.full((16, 16, 3), 40 * number, dtype=np.uint8), record)
    return path


def exclusion(tmp_path: Path, text: str) -> Exclusion:
    (tmp_path / "held_out.txt").write_text(text)
    return Exclusion.read(tmp_path / "held_out.txt")


def test_images_come_with_labels_of_which_many_are_unknown(path: Path) -> None:
    with Dataset.open(path) as data:
        loaded = load(data)
    assert loaded.images.images.shape == (6, 3, 16, 16)
    assert loaded.images.images[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    assert loaded.counts["unaffected"]["child"] == 1
    assert loaded.counts["unaffected"]["unknown"] == 5
    assert loaded.origin == "6 images of faces.zip"


def test_files_sources_and_persons_are_left_out_by_name(path: Path, tmp_path: Path) -> None:
    held_out = exclusion(tmp_path, "# never these\n1.jpg\n\nimages/img00000005.png\np1\nsomebody_else.jpg\n")
    with Dataset.open(path) as data:
        loaded = load(data, held_out)
    assert loaded.images.images[:, 0, 0, 0].tolist() == [0, 160]
    assert (len(loaded), loaded.left_out) == (2, 4)
    with Dataset.open(path) as data:
        assert loaded.seen == SeenImages.of([data.key(0), data.key(4)])
        assert load(data, held_out, size=8).seen == loaded.seen  # of the images as they are stored
    assert loaded.counts["unaffected"] == {
        "infant": 0, "child": 1, "adolescent": 0, "young_adult": 0, "older_adult": 0, "unknown": 1
    }  # fmt: skip


def test_a_list_that_fits_nothing_is_refused(path: Path, tmp_path: Path) -> None:
    with Dataset.open(path) as data:
        with pytest.raises(ConfigError, match="lists 1 names and none is a file, source or person of"):
            load(data, exclusion(tmp_path, "7.jpg"))
        with pytest.raises(ConfigError, match="excludes all 6 images"):
            load(data, exclusion(tmp_path, "p0\np1\np2"))
    with pytest.raises(DatasetError, match="holds no name; expected one name a line"):
        exclusion(tmp_path, "# nobody\n")
    with pytest.raises(DatasetError, match="cannot be read"):
        Exclusion.read(tmp_path / "absent.txt")


def test_the_fingerprint_tells_data_apart(path: Path) -> None:
    with Dataset.open(path) as data:
        images = load(data).images
    fingerprint = images.fingerprint()
    assert fingerprint == images.fingerprint()
    images.images[0, 0, 0, 0] += 1
    assert images.fingerprint() != fingerprint


def test_data_without_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plain.zip"
    with DatasetWriter(path) as writer:
        writer.add(np.zeros((16, 16, 3), dtype=np.uint8))
    with Dataset.open(path) as data:
        if data.labels is None:
            with pytest.raises(ConfigError, match="has no labels"):
                load(data)


def test_groups_are_found_by_file_or_source(path: Path, tmp_path: Path) -> None:
    table = tmp_path / "groups.csv"
    table.write_text("image,group\n0.jpg,smiling\nscans/1.jpg,resting\n00000/img00000002.png,smiling\n")
    with Dataset.open(path) as data:
        plain, grouped = load(data), load(data, exclusion(tmp_path, "1.jpg\n"), groups=read_groups(table))
    assert plain.images.groups is None
    assert grouped.images.groups == ("smiling", "smiling", "unknown", "unknown", "unknown")
    with Dataset.open(path) as data:
        assert load(data, groups=read_groups(table)).images.fingerprint() != plain.images.fingerprint()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("file,group\n0.jpg,a\n", "file"),
        ("image,group\n0.jpg,a\n0.jpg,b\n", "twice"),
        ("image,group\n9.jpg,a\n", "0.jpg"),
    ],
)
def test_a_table_of_groups_that_fits_nothing_is_refused(path: Path, tmp_path: Path, text: str, named: str) -> None:
    table = tmp_path / "groups.csv"
    table.write_text(text)
    with Dataset.open(path) as data, pytest.raises(ConfigError, match=named):
        load(data, groups=read_groups(table))
