"""Networks of others that measure photographs."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError
from faces.align import align
from faces.detect import FaceDetector
from faces.images import Pixels, read_image
from faces.measures.face_api import EXPRESSIONS, crop_faces, load_age_network, load_expression_network, read_tensors
from faces.measures.judges import VARIABLE, Judges


def write_network(folder: Path, data: bytes) -> Path:
    """Two tensors: one of bytes, dequantised by 2 · value + 1, and one of float32."""
    entries = [
        {"name": "a", "shape": [2, 2], "quantization": {"dtype": "uint8", "scale": 2, "min": 1}},
        {"name": "b", "shape": [3], "dtype": "float32"},
    ]
    (folder / "net-weights_manifest.json").write_text(json.dumps([{"weights": entries}]))
    (folder / "net.bin").write_bytes(data)
    return folder / "net.bin"


def test_tensors_are_dequantised(tmp_path: Path) -> None:
    file = write_network(tmp_path, bytes([0, 1, 2, 3]) + np.array([0.5, 1, 2], np.float32).tobytes())
    tensors = read_tensors(file)
    np.testing.assert_array_equal(tensors["a"], [[1, 3], [5, 7]])
    np.testing.assert_array_equal(tensors["b"], [0.5, 1, 2])


@pytest.mark.parametrize("length", [0, 10, 17])
def test_a_damaged_file_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(ConfigError, match=r"net\.bin"):
        read_tensors(write_network(tmp_path, bytes(length)))


def test_a_folder_without_networks_is_refused_and_none_is_no_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="face_expression_model"):
        Judges(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    judges = Judges()
    assert "happy" not in judges.names
    assert judges.read(np.zeros((2, 128, 128, 3), np.uint8))[1].happy is None


def test_the_square_of_the_face_is_cut_out() -> None:
    images = np.zeros((1, 256, 256, 3), np.uint8)
    images[:, 40:232, 32:224] = 200
    assert crop_faces(images).shape == (1, 112, 112, 3)
    assert crop_faces(images).min() == 200


def align_photograph(photograph: Pixels, detector: FaceDetector) -> Pixels:
    return align(photograph, detector.largest(photograph).landmarks, 128).image[None]


def test_the_astronaut_is_a_happy_adult(judges: Path, astronaut: Pixels, detector: FaceDetector) -> None:
    face = align_photograph(astronaut, detector)
    probabilities = load_expression_network(judges)(face)
    assert probabilities.shape == (1, len(EXPRESSIONS))
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    (reading,) = Judges(judges).read(face)
    assert reading.happy == pytest.approx(probabilities[0, EXPRESSIONS.index("happy")])
    assert reading.happy > 0.9
    assert 20 < load_age_network(judges)(face)[0, 0] < 60


@pytest.mark.slow
def test_ages_of_portraits_are_near_their_captions(judges: Path, portraits: Path, detector: FaceDetector) -> None:
    with (portraits / "portraits.csv").open() as table:
        dated = [row for row in csv.DictReader(table) if row["years"]][:16]
    photographs = {row["file"]: read_image(portraits / "images" / row["file"]) for row in dated}
    seen = [row for row in dated if detector.detect(photographs[row["file"]])]
    assert len(seen) > 8
    faces = [align_photograph(photographs[row["file"]], detector) for row in seen]
    ages = load_age_network(judges)(np.concatenate(faces))[:, 0]
    assert np.abs(ages - [float(row["years"]) for row in seen]).mean() < 12
