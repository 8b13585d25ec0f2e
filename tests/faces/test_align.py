from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import ImageError
from faces.align import align, ffhq_quad
from faces.detect import FaceDetector
from faces.images import Pixels

FIXTURE = Path(__file__).parents[1] / "data" / "ffhq_align.npz"
FACES = ["astronaut_{}", "{}_0", "{}_1", "{}_2", "{}_3"]


def face(name: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(FIXTURE) as stored:
        return stored[name.format("landmarks")], stored[name.format("quad")]


@pytest.fixture
def landmarks() -> np.ndarray:
    return face("astronaut_{}")[0].astype(np.float64)


@pytest.mark.parametrize("name", FACES)
def test_quad_is_that_of_ffhq(name: str) -> None:
    landmarks, quad = face(name)
    np.testing.assert_allclose(ffhq_quad(landmarks), quad, rtol=1e-6)


def test_quad_turns_and_scales_with_the_face(landmarks: np.ndarray) -> None:
    turn = 1.7 * np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
    np.testing.assert_allclose(ffhq_quad(landmarks @ turn + 9), ffhq_quad(landmarks) @ turn + 9)


def test_landmarks_land_on_the_same_features(astronaut: Pixels, landmarks: np.ndarray, detector: FaceDetector) -> None:
    aligned = align(astronaut, landmarks, 256)
    expected = aligned.to_aligned(landmarks)
    found = detector.largest(aligned.image).landmarks
    assert np.abs(found - expected).mean() < 2
    np.testing.assert_allclose(aligned.to_photograph(expected), landmarks)


def test_aligned_face_is_upright_and_central(astronaut: Pixels, landmarks: np.ndarray) -> None:
    points = align(astronaut, landmarks, 256).to_aligned(landmarks)
    eyes, mouth = points[36:48].mean(axis=0), points[48:].mean(axis=0)
    assert 0.4 * 256 < eyes[1] < mouth[1] < 0.75 * 256
    assert abs(points[:, 0].mean() - 127.5) < 10


@pytest.mark.parametrize("scale", [1, 4])
def test_warp_is_exact_and_antialiased(scale: int, landmarks: np.ndarray) -> None:
    """A smooth picture sampled by hand at the aligned pixels equals the warp, whatever the reduction."""
    height = width = 512 * scale
    y, x = np.mgrid[:height, :width] / scale
    smooth = 127 + 60 * np.sin(x / 25) + 60 * np.cos(y / 31)
    noise = 20.0 * ((np.mgrid[:height, :width].sum(axis=0) % 2) * 2 - 1) if scale > 1 else 0.0
    picture = np.repeat((smooth + noise).clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)
    points = landmarks * scale + (scale - 1) / 2
    aligned = align(picture, points, 64)
    rows, columns = np.mgrid[:64, :64]
    where = aligned.to_photograph(np.stack([columns.ravel(), rows.ravel()], axis=1)) / scale
    truth = 127 + 60 * np.sin(where[:, 0] / 25) + 60 * np.cos(where[:, 1] / 31)
    assert np.abs(aligned.image[..., 0].ravel() - truth).mean() < 1.0
    assert aligned.padded == 0


def test_beyond_the_border_is_reflected_and_blurred(astronaut: Pixels, landmarks: np.ndarray) -> None:
    whole = align(astronaut, landmarks, 128)
    top = 60
    cut = align(astronaut[top:], landmarks - (0, top), 128)
    outside = int(128 * (top - whole.quad[:, 1].min()) / np.ptp(whole.quad[:, 1])) + 1
    assert whole.padded == 0
    assert cut.padded == pytest.approx(outside / 128, abs=0.08)
    below = np.abs(cut.image[outside + 8 :].astype(float) - whole.image[outside + 8 :])
    assert below.mean() < 1, "inside the picture nothing changes"
    mirrored = cut.image[: outside // 2][..., 1].astype(np.uint8)
    sharp = whole.image[outside : outside + outside // 2][..., 1]
    assert cv2.Laplacian(mirrored, cv2.CV_64F).std() < 0.5 * cv2.Laplacian(sharp, cv2.CV_64F).std()


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (np.zeros((68, 2)), "no alignment"),
        (np.zeros((5, 2)), r"\(5, 2\)"),
        (np.full((68, 2), np.nan), "finite"),
    ],
)
def test_degenerate_landmarks_are_refused(landmarks: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        ffhq_quad(landmarks)


def test_landmarks_of_another_picture_are_refused(astronaut: Pixels, landmarks: np.ndarray) -> None:
    with pytest.raises(ImageError, match="outside the picture"):
        align(astronaut, landmarks + 2000, 64)


def test_shallow_picture_can_be_padded(landmarks: np.ndarray) -> None:
    picture = np.full((50, 600, 3), 90, np.uint8)
    aligned = align(picture, landmarks - (0, 100), 32)
    assert (aligned.image == 90).all()
