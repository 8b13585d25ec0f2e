from __future__ import annotations

import os
import signal
from pathlib import Path

import dlib
import numpy as np
import pytest

from core.errors import ConfigError
from faces.detect import FaceDetector
from faces.images import Pixels
from faces.measures import descriptors
from faces.measures.descriptor_process import DescriptorProcess
from faces.measures.descriptors import FaceDescriber, count_faces, enlarge, find_landmarks
from faces.shipped_models import DESCRIPTOR, find_model


def test_two_pictures_of_one_face_are_close_and_none_has_no_descriptor(
    detector: FaceDetector, astronaut: Pixels
) -> None:
    face = np.ascontiguousarray(astronaut[:256, 96:352])
    darker = (face * 0.7).astype(np.uint8)
    pictures = np.stack([face, darker, np.full_like(face, 128)])
    faces = FaceDescriber(detector).look(pictures)
    landmarks, features = faces.landmarks, faces.descriptors
    np.testing.assert_array_equal(landmarks, find_landmarks(detector, pictures))
    np.testing.assert_array_equal(features, FaceDescriber(detector)(pictures))
    assert landmarks.shape == (3, 68, 2)
    np.testing.assert_allclose(landmarks[0], detector.largest(face).landmarks)
    assert np.isnan(landmarks[2]).all()
    assert faces.scores[0] == detector.largest(face).face.score
    assert np.isnan(faces.scores[2])
    assert features.shape == (3, 128)
    assert np.linalg.norm(features[0] - features[1]) < 0.3
    assert np.isfinite(features[:2]).all()
    assert np.isnan(features[2]).all()
    assert count_faces(detector, np.stack([face, np.full_like(face, 128)])) == 1


def test_small_pictures_are_enlarged_and_large_ones_left_alone() -> None:
    assert enlarge(np.zeros((64, 64, 3), dtype=np.uint8)).shape == (256, 256, 3)
    large = np.zeros((300, 300, 3), dtype=np.uint8)
    assert enlarge(large) is large


@pytest.mark.parametrize("apart", [False, True])
def test_a_file_that_is_no_network_is_refused(detector: FaceDetector, tmp_path: Path, apart: bool) -> None:
    (tmp_path / "junk.dat").write_bytes(b"junk")
    with pytest.raises(ConfigError, match=r"recognition model .*junk.dat cannot be loaded (?s:.*)deserial"):
        FaceDescriber(detector, tmp_path / "junk.dat", apart=apart)


def test_a_process_of_its_own_gives_the_same_descriptor(
    detector: FaceDetector, astronaut: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = np.ascontiguousarray(astronaut[None, :256, 96:352])
    expected = FaceDescriber(detector)(pictures)
    describer = FaceDescriber(detector, apart=True)
    monkeypatch.setattr(dlib, "face_recognition_model_v1", None)  # the service's own process never computes it
    np.testing.assert_array_equal(describer(pictures), expected)
    np.testing.assert_array_equal(describer(pictures), expected)


def test_a_describer_outlives_its_process(
    detector: FaceDetector, astronaut: Pixels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: list[DescriptorProcess] = []

    def start(path: Path) -> DescriptorProcess:
        processes.append(DescriptorProcess(path))
        return processes[-1]

    monkeypatch.setattr(descriptors, "DescriptorProcess", start)
    model = tmp_path / "network.dat"
    model.symlink_to(find_model(DESCRIPTOR))
    describer, pictures = FaceDescriber(detector, model, apart=True), astronaut[None, :256, 96:352]
    expected = describer(pictures)
    os.kill(processes[-1].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="ended"):
        describer(pictures)
    np.testing.assert_array_equal(describer(pictures), expected)
