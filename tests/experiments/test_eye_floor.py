"""Damage by which the floor of the verdict on eyes is chosen."""

import numpy as np
import torch

from experiments.eye_floor import damage
from faces.images import to_tensor
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from inversion.facial_features import compare_eyes


def test_a_spoilt_eye_is_less_like_the_undamaged_one_than_after_harmless_damage() -> None:
    drawn = draw_phantom(nth_phantom(5, 1), 128)
    x, y = drawn.landmarks[36:42].mean(axis=0)
    damaged = damage(drawn.image, (x, y), np.random.default_rng(0))
    face = to_tensor(drawn.image)
    with torch.no_grad():
        similar = {
            name: compare_eyes(to_tensor(np.ascontiguousarray(other)), face).item() for name, other in damaged.items()
        }
    harmless = [value for name, value in similar.items() if name.startswith("harmless")]
    spoilt = [value for name, value in similar.items() if name.startswith("spoilt")]
    assert len(harmless) == 4
    assert len(spoilt) == 3
    assert max(spoilt) < min(harmless)
