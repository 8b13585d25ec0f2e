"""Relevance of the regions of a face: the mean of a saliency map over each (Sümer et al. 2023)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from recognition.explanation.regions.masks import Masks

Floats = npt.NDArray[np.float64]


def sum_channels(maps: Any) -> Floats:
    """Sum the absolute values of the channels, as published; the sign is lost.

    Args:
        maps: (n, 3, h, w), an array or a tensor on the CPU.

    Returns:
        (n, h, w) float64.
    """
    summed: Floats = np.abs(np.asarray(maps, dtype=np.float64)).sum(axis=1)
    return summed


def scale_maps(maps: Floats) -> Floats:
    """Scale each map (n, h, w) to [0, 1] by its least and greatest value; a map of one value becomes 0."""
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    scaled: Floats = (maps - low) / np.where(high > low, high - low, 1)
    return scaled


def measure_relevance(maps: Floats, masks: Masks, scaled: bool = False) -> Floats:
    """Compute the relevance of regions: the sum of a map over a region, divided by the region's area.

    Args:
        maps: (n, h, w) of one face, as of several methods.
        masks: regions of the face.
        scaled: scale each map to [0, 1] first, as the paper says. The published code did so for the correlation with
            HPO terms, and not for the comparison of affected with unaffected faces.

    Returns:
        (n, regions) float64, regions in the order of the masks.

    Raises:
        DatasetError: a mask is empty, or of another size than the maps.
    """
    maps = np.asarray(maps, dtype=np.float64)
    for region, mask in masks.items():
        if mask.shape != maps.shape[1:]:
            raise DatasetError(
                f"the mask of {region} is {mask.shape} and the maps {maps.shape[1:]} (rows, columns); expected one size"
            )
        if not mask.any():
            raise DatasetError(f"the mask of {region} is empty; leave the region out, or correct its mask")
    values = scale_maps(maps) if scaled else maps
    return np.stack([values[:, mask].mean(axis=1) for mask in masks.values()], axis=1)
