from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from core.errors import DatasetError
from core.formats.face_areas import AREAS
from studies.packs.face_datasets import read_face_dataset
from studies.packs.pictures import read_pixels
from tests.studies.packs.small_packs import AGES, SIDE, dataset_files, write_files


def test_faces_are_drawn_evenly_from_the_age_groups_and_one_of_each_person(tmp_path: Path) -> None:
    files = dataset_files(people=4)
    files["labels.csv"] = files["labels.csv"].replace(b"secret10,", b"secret0,")  # an infant with WS twice
    path = write_files(tmp_path / "faces.zip", files)
    pack = read_face_dataset(path, ("WS", "other"), 17, seed=5)
    keys = [picture.key for picture in pack.pictures]
    counts = Counter((key.condition, key.age_group) for key in keys)
    assert {count for (condition, _), count in counts.items() if condition == "other"} == {3, 4}
    assert set(counts) == {(condition, age) for condition in ("WS", "other") for age in AGES}
    assert len({key.face for key in keys}) == len({key.image for key in keys}) == 34
    assert {key.variant for key in keys} == {"unedited"}
    assert {tuple(picture.areas) for picture in pack.pictures} == {AREAS}
    assert all(0 <= area[0] <= area[2] < SIDE for picture in pack.pictures for area in picture.areas.values())
    pixels = read_pixels(path, pack.pictures)
    assert all(pixels[one.code][0, 0, 0] == int(one.file[:4]) for one in pack.pictures)
    assert read_face_dataset(path, ("WS", "other"), 17, seed=5) == pack
    assert read_face_dataset(path, ("WS", "other"), 17, seed=6) != pack


def test_a_set_without_landmarks_has_no_areas(tmp_path: Path) -> None:
    path = write_files(tmp_path / "faces", dataset_files(1, landmarks=False))
    assert all(not picture.areas for picture in read_face_dataset(path, ("WS",), 3, 0).pictures)


def test_sets_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    files = dataset_files(1)
    path = write_files(tmp_path / "faces", files)
    with pytest.raises(DatasetError):
        read_face_dataset(path, ("WS",), 6, 0)
    for name, data in (("landmarks.npy", b"\x93NUMPY"), ("labels.csv", b"file\na.png\n")):
        broken = write_files(tmp_path / f"{name}.zip", files | {name: data})
        with pytest.raises(DatasetError):
            read_face_dataset(broken, ("WS",), 3, 0)
    (path / "labels.csv").unlink()
    with pytest.raises(DatasetError):
        read_face_dataset(path, ("WS",), 3, 0)
