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
    by_class = [np.flatnonzero(faces.labels[:, place].numpy() == 1) for place in range(len(faces.classes))]
    chosen = np.concatenate([rng.permutation(places)[: round(share * len(places))] for places in by_class])
    pixels = faces.pixels.clone()
    grey = (pixels[chosen].float() @ torch.tensor(_LUMA)).round().to(torch.uint8)
    pixels[chosen] = grey[..., None].expand(-1, -1, -1, 3)
    return replace(faces, pixels=pixels)
