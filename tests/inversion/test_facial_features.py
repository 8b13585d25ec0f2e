"""Weights of the eyes and the mouth of an aligned face."""

import pytest
import torch

from faces.align import align
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from inversion.facial_features import weigh_features


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
