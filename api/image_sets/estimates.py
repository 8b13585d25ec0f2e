"""Estimates: time and room that an image set will take, before anything of it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from api.models.model import ModelInfo

_SECONDS_PER_PIXEL: Final = 6e-7
"""Measured with two processor cores: 10 ms for an image of 128 px, rendered, encoded and stored."""

_BYTES_PER_PIXEL: Final = 1.6
"""Measured with the shipped weights: PNG files of 1.4 (phantoms) to 1.9 (portraits) bytes for each pixel."""


@dataclass(frozen=True)
class Estimate:
    """Estimate for an image set.

    Args:
        seconds: time to render, encode and store the images, without waiting for other jobs.
        size_bytes: room of the stored images.
        measured: whether `seconds` follows from images that this service has made; else from documented figures.
    """

    seconds: float
    size_bytes: int
    measured: bool


def estimate_set(model: ModelInfo, images: int, image_seconds: float | None) -> Estimate:
    """Estimate a set of so many images.

    Args:
        image_seconds: measured time for an image of the generator; None if there is none yet.
    """
    pixels = model.resolution**2
    each = _SECONDS_PER_PIXEL * pixels if image_seconds is None else image_seconds
    return Estimate(images * each, round(images * pixels * _BYTES_PER_PIXEL), image_seconds is not None)
