"""The landmark network: its form, its file, its training, and what the shipped one reaches on unseen phantoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import weights
from core.errors import CheckpointError, ConfigError, ImageError
from faces.align import ffhq_quad
from faces.detect import MIRRORED
from faces.expression import CALIBRATED
from faces.images import Pixels
from faces.oracle import attribute_network, landmark_network
from faces.oracle.attribute_training import OracleTrainingConfig
from faces.oracle.landmark_training import measure, move_faces, train_landmarks
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from tests.faces.oracle.test_attribute_network import tiny

FRESH_SEED, FRESH = 7_778, 100


@pytest.fixture(scope="module")
def phantoms() -> tuple[Pixels, np.ndarray, np.ndarray]:
    """Pictures, landmarks and smiles, of a seed that nothing has learnt from."""
    people = [nth_phantom(FRESH_SEED, index) for index in range(FRESH)]
    drawn = [draw_phantom(person, 128) for person in people]
    pictures, points = np.stack([one.image for one in drawn]), np.stack([one.landmarks for one in drawn])
    return pictures, points, np.array([person.smile for person in people])


@pytest.fixture(scope="module")
def shipped() -> landmark_network.LandmarkNetwork:
    return landmark_network.load(weights.landmarks())[0]


def test_the_shipped_network_finds_mouths_and_smiles(
    shipped: landmark_network.LandmarkNetwork, phantoms: tuple[Pixels, np.ndarray, np.ndarray]
) -> None:
    pictures, true, smile = phantoms
    figures = measure(shipped.find(pictures), true, smile)
    assert figures["phantoms"] == FRESH
    assert figures["error_px"] < 0.5
    assert figures["smile_correlation"] > 0.88
    told = landmark_network.load(weights.landmarks())[1].figures
    assert figures["error_mouth_px"] == pytest.approx(told["error_mouth_px"], rel=0.3)


def test_landmarks_are_in_pixels_of_the_picture(shipped: landmark_network.LandmarkNetwork) -> None:
    person = nth_phantom(FRESH_SEED, 7)
    for side in (64, 256):
        drawn = draw_phantom(person, side)
        found = shipped.find(drawn.image[None])[0]
        assert np.linalg.norm(found - drawn.landmarks, axis=1).mean() < 0.01 * side
        np.testing.assert_allclose(ffhq_quad(found), ffhq_quad(drawn.landmarks), atol=0.03 * side)
    assert shipped.find(np.empty((0, 64, 64, 3), np.uint8)).shape == (0, 68, 2)
    with pytest.raises(ImageError, match=r"expected uint8 \(n, h, h, 3\)"):
        shipped.find(np.zeros((2, 64, 32, 3), np.uint8))


def test_moved_faces_and_their_landmarks_move_together() -> None:
    """A dot is drawn at some landmarks; after the move it is where the moved landmark says."""
    torch.manual_seed(0)
    images, points = torch.zeros(6, 3, 128, 128), torch.full((6, 68, 2), 64.0)
    for face in range(6):
        for place, (x, y) in ((0, (40, 50)), (16, (90, 50)), (33, (60, 80))):
            images[face, :, y - 1 : y + 2, x - 1 : x + 2] = 1
            points[face, place] = torch.tensor([float(x), float(y)])
    faces, places = move_faces(images, points)
    for face in range(6):
        for place in (0, 16, 33):
            x, y = places[face, place].round().int().tolist()
            assert faces[face, 0, y, x] > 0.5
    assert (places[:, 0] - points[:, 0]).abs().max() > 1
    assert sorted(MIRRORED) == list(range(68))
    assert [MIRRORED[MIRRORED[place]] for place in range(68)] == list(range(68))


def test_mirrored_landmarks_are_those_of_the_mirrored_face(phantoms: tuple[Pixels, np.ndarray, np.ndarray]) -> None:
    _, points, _ = phantoms
    flipped = points[:, MIRRORED] * [-1, 1] + [127, 0]
    np.testing.assert_allclose(CALIBRATED.raw(flipped), CALIBRATED.raw(points), atol=1e-9)


def test_training_learns_and_repeats(phantoms: tuple[Pixels, np.ndarray, np.ndarray]) -> None:
    pictures, points, _ = phantoms
    losses: list[float] = []
    config = OracleTrainingConfig(epochs=3, batch=20)
    network = train_landmarks(pictures, points, config, on_progress=lambda step, steps, loss: losses.append(loss))
    assert len(losses) == 15
    assert np.mean(losses[-3:]) < losses[0]
    again = train_landmarks(pictures, points, config)
    np.testing.assert_array_equal(network.find(pictures[:4]), again.find(pictures[:4]))
    with pytest.raises(ConfigError, match="n of 64 or more"):
        train_landmarks(pictures[:9], points[:9], OracleTrainingConfig())


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = landmark_network.LandmarkNetwork().eval()
    attribute_network.round_weights(network)
    path = tmp_path / "landmarks.safetensors"
    landmark_network.save(path, network, figures={"error_px": 1.0}, origin="a test")
    again, info = landmark_network.load(path)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    np.testing.assert_array_equal(again.find(pictures), network.find(pictures))
    assert (info.figures, info.origin, info.licence) == ({"error_px": 1.0}, "a test", "Apache-2.0")
    attribute_network.save(tmp_path / "oracle.safetensors", tiny(), figures={}, origin="a test")
    with pytest.raises(CheckpointError, match="holds oracle; expected landmarks"):
        landmark_network.load(tmp_path / "oracle.safetensors")
