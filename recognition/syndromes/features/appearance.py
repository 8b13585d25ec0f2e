"""Appearance of a face: grey values in small patches around its landmarks, after Ferry et al. 2014."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from faces.images import Pixels
from recognition.syndromes.features.shape import Floats, locate_eyes

PATCH: Final = 8
"""Samples on each side of a patch."""

_SPACING: Final = 0.04
"""Distance between samples, as a share of the distance between the eyes: a patch spans 0.28 of it."""

_EYES_PX: Final = 48.0
"""Distance between the eyes in the picture that is sampled."""

_GREY: Final = np.array([0.299, 0.587, 0.114])


def sample_appearance(image: Pixels, landmarks: npt.NDArray[np.floating[Any]]) -> Floats:
    """Sample the patches of a face, (68 * PATCH * PATCH,), upright and at one size.

    Their mean is 0 and their standard deviation 1, so that light and exposure count less.

    Args:
        image: uint8 (h, w, 3) RGB.
        landmarks: (68, 2) in pixels.

    Raises:
        ImageError: landmarks without a face, as in `shape.locate_eyes`.
    """
    eyes = locate_eyes(landmarks)
    across = eyes[1] - eyes[0]
    apart = float(np.hypot(*across))
    grey = (image @ _GREY).astype(np.float32)
    if apart > _EYES_PX:  # without the blur, samples of a large picture would fall between its details
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.4 * apart / _EYES_PX), dtype=np.float32)
    steps = _SPACING * (np.arange(PATCH) - (PATCH - 1) / 2)
    down = np.array([-across[1], across[0]])
    offsets = steps[:, None, None] * down + steps[None, :, None] * across
    places = (np.asarray(landmarks)[:, None, None] + offsets).reshape(-1, 2).astype(np.float32)
    samples = cv2.remap(grey, places[:, :1], places[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    values = samples.ravel().astype(np.float64)
    centred: Floats = values - values.mean()
    deviation = centred.std()
    return centred / deviation if deviation > 0 else centred
