"""Weights of the eyes and the mouth of an aligned face."""

import pytest
import torch

from faces.align import align
from faces.images import to_tensor
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from inversion.facial_features import compare_eyes, compare_features, weigh_features


@pytest.mark.parametrize("side", [32, 128, 1024])
def test_weights_have_a_mean_of_one_and_the_ratio_that_was_asked_for(side: int) -> None:
    weights = weigh_features(side, 9.0)
    assert weights.shape == (1, 1, side, side)
    assert weights.mean().item() == pytest.approx(1, abs=1e-5)
    assert (weights.max() / weights.min()).item() == pytest.approx(9)


def test_a_weight_of_one_changes_nothing() -> None:
    assert torch.equal(weigh_features(64, 1.0), torch.ones(1, 1, 64, 64))


@pytest.mark.parametrize("number", range(4))
def test_alignment_puts_eyes_and_mouth_where_the_weights_are(number: int) -> None:
    drawn = draw_phantom(nth_phantom(5, number), 256)
    aligned = align(drawn.image, drawn.landmarks, 128)
    weights = weigh_features(128, 9.0)[0, 0]
    for feature in (slice(36, 42), slice(42, 48), slice(48, 68)):
        x, y = aligned.to_aligned(drawn.landmarks[feature]).mean(axis=0).round().astype(int)
        assert weights[y, x] == weights.max()


def test_each_feature_is_compared_by_itself_at_any_size() -> None:
    drawn = draw_phantom(nth_phantom(5, 1), 256)
    face = to_tensor(align(drawn.image, drawn.landmarks, 256).image)
    torch.testing.assert_close(compare_features(face, face), torch.ones(1, 3))
    clouded = face.clone()
    clouded[:, :, 108:136, 140:184] = face[:, :, 108:136, 140:184].mean(dim=(2, 3), keepdim=True)
    left, right, mouth = compare_features(clouded, face)[0].tolist()
    assert right < 0.6
    assert min(left, mouth) > 0.9
    assert compare_eyes(clouded, face).item() == pytest.approx(right)
    half = (torch.nn.functional.avg_pool2d(pictures, 2) for pictures in (clouded, face))
    torch.testing.assert_close(compare_features(*half), compare_features(clouded, face))


def test_errors_of_a_dark_face_count_more_than_by_their_squares() -> None:
    face = to_tensor(draw_phantom(nth_phantom(5, 2), 128).image)
    blurred = torch.nn.functional.avg_pool2d(face, 5, stride=1, padding=2, count_include_pad=False)
    bright = compare_features(blurred, face)
    dark = compare_features(0.5 * blurred - 0.5, 0.5 * face - 0.5)
    assert (1 - dark > 0.3 * (1 - bright)).all(), "their squares have a quarter"
