"""The default four conditions keep every pixel: the shipped weights and figures rest on these pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from faces.images import Pixels, read_image
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom

REFERENCE = Path(__file__).parents[2] / "data" / "default-phantoms.png"
"""Pictures of the first 40 phantoms of seed 26, drawn before terms of the HPO could be drawn."""
CHECKSUM = "eae7fe0c3a7f9cdbc18b03924bef54f6d61e652fb23bb2a0051d056046a40872"


def draw_reference() -> Pixels:
    """Draw every pair of condition and age group twice, in 4 rows of 10."""
    drawn = np.stack([draw_phantom(nth_phantom(26, index), 64).image for index in range(40)])
    return drawn.reshape(4, 10, 64, 64, 3).swapaxes(1, 2).reshape(256, 640, 3)


def test_pictures_of_the_default_conditions_keep_every_pixel() -> None:
    drawn = draw_reference()
    if hashlib.sha256(drawn.tobytes()).hexdigest() == CHECKSUM:
        return
    # Another processor's matrix product may round a shade differently; a change of the drawing moves far more.
    difference = np.abs(drawn.astype(int) - read_image(REFERENCE.read_bytes()))
    assert difference.max() <= 3
    assert (difference > 0).mean() < 1e-3
