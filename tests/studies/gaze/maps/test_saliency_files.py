from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import DatasetError
from studies.gaze.maps.saliency_files import read_saliency
from tests.core.formats.hostile_arrays import write_guessed_archive, write_guessed_array

FIRST = np.array([[4, 3], [2, 1]], dtype=np.float32)


def test_saliency_is_read_from_arrays_and_grey_pictures(tmp_path: Path) -> None:
    np.save(tmp_path / "A_1.npy", np.stack([FIRST, -FIRST, FIRST]))
    cv2.imwrite(str(tmp_path / "A_2.png"), FIRST.astype(np.uint8))
    maps = read_saliency(tmp_path)
    assert np.array_equal(maps["A_1"], 3 * FIRST)
    assert np.array_equal(maps["A_2"], FIRST)
    cv2.imwrite(str(tmp_path / "A_3.png"), np.zeros((2, 2, 3), dtype=np.uint8))
    with pytest.raises(DatasetError):
        read_saliency(tmp_path)


@pytest.mark.parametrize("array", [-FIRST, np.zeros((2, 2)), FIRST[0], np.array([[np.nan, 1]]), np.array([["a"]])])
def test_arrays_that_are_no_maps_are_refused(tmp_path: Path, array: np.ndarray) -> None:  # type: ignore[type-arg]
    np.save(tmp_path / "A_1.npy", array)
    with pytest.raises(DatasetError):
        read_saliency(tmp_path)


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "A_1.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError):
        read_saliency(tmp_path)


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"\x93NUMPY"])
def test_broken_arrays_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "A_1.npy").write_bytes(data)
    with pytest.raises(DatasetError):
        read_saliency(tmp_path)


def test_arrays_whose_headers_numpy_guesses_are_refused(tmp_path: Path) -> None:
    write_guessed_array(tmp_path / "A_1.npy")
    with pytest.raises(DatasetError, match=r"A_1\.npy is no array"):
        read_saliency(tmp_path)
    face = tmp_path / "faces" / "000000"
    face.mkdir(parents=True)
    (face / "face.json").write_text(json.dumps({"file": "images/A_1.png"}))
    write_guessed_archive(face / "maps.npz", "gradient")
    with pytest.raises(DatasetError, match="holds no maps that can be read"):
        read_saliency(tmp_path, "gradient")


def test_archives_of_arrays_are_no_array(tmp_path: Path) -> None:
    with (tmp_path / "A_1.npy").open("wb") as file:
        np.savez(file, FIRST)
    with pytest.raises(DatasetError):
        read_saliency(tmp_path)


def test_maps_of_explained_faces_are_read_by_method(tmp_path: Path) -> None:
    face = tmp_path / "faces" / "000000"
    face.mkdir(parents=True)
    (face / "face.json").write_text(json.dumps({"file": "images/A_1.png"}))
    np.savez(face / "maps.npz", gradcam=FIRST, gradient=2 * FIRST)
    assert np.array_equal(read_saliency(tmp_path, "gradient")["A_1"], 2 * FIRST)
    with pytest.raises(DatasetError):
        read_saliency(tmp_path, "lime")
    for data in (b"", b"PK\3\4"):
        (face / "maps.npz").write_bytes(data)
        with pytest.raises(DatasetError):
            read_saliency(tmp_path, "gradient")
