"""Some faces in grey among coloured ones, as old photographs are."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import torch

from recognition.images.image_stack import Stack

_LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey: ITU-R BT.601."""


def turn_grey(faces: Stack, share: float, seed: int) -> Stack:
    """Show a share of the faces of each class in grey, chosen by the seed; the keys stay those of the coloured faces.

    Args:
        faces: with one class each.
        share: in [0, 1], of each class, rounded to whole faces.
    """
    rng = np.random.default_rng(seed)
    classes = faces.labels.argmax(dim=1).numpy()
    chosen = np.concatenate(
        [rng.permutation(of_class)[: round(share * len(of_class))] for of_class in _group(classes, len(faces.classes))]
    )
    pixels = faces.pixels.clone()
    grey = (pixels[chosen].float() @ torch.tensor(_LUMA)).round().to(torch.uint8)
    pixels[chosen] = grey[..., None].expand(-1, -1, -1, 3)
    return replace(faces, pixels=pixels)


def _group(classes: np.ndarray, count: int) -> list[np.ndarray]:
    return [np.flatnonzero(classes == place) for place in range(count)]
