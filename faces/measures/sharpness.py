"""Sharpness of faces: how much neighbouring pixels differ, on the face and outside the mouth."""

from __future__ import annotations

from typing import Final

import numpy as np

from faces.images import Pixels
from faces.measures.distances import Features

_CELLS: Final = 8
_FACE: Final = np.zeros((_CELLS, _CELLS), dtype=bool)
_FACE[2:7, 2:6] = True
_FACE[4, 3:5] = _FACE[5:7, 2:6] = False  # the mouth, whose teeth come and go with a smile


def measure_sharpness(images: Pixels) -> Features:
    """Return the mean difference (n,) of neighbouring pixels on aligned faces uint8 (n, h, h, 3), without the mouth."""
    grey = images.mean(axis=3)
    detail = np.abs(np.diff(grey, axis=1))[:, :, :-1] + np.abs(np.diff(grey, axis=2))[:, :-1]
    rows = np.arange(detail.shape[1]) * _CELLS // images.shape[1]
    return np.asarray(detail[:, _FACE[rows[:, None], rows]].mean(axis=1))


def compare_sharpness(images: Pixels, references: Pixels) -> Features:
    """Return the sharpness (n,) of faces relative to reference pictures of them, both aligned uint8 (n, h, h, 3)."""
    return measure_sharpness(images) / np.maximum(measure_sharpness(references), 1e-6)
