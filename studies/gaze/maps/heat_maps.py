"""Heat maps: the share of the fixation time on each place of a picture, smoothed by a Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from studies.gaze.fixations import Fixations

Maps = npt.NDArray[np.float32]

CELLS: Final = 64
"""Width and height of a heat map in cells."""


@dataclass(frozen=True)
class Smoothing:
    """Standard deviation of the Gaussian of heat maps.

    Attributes:
        sigma: the standard deviation.
        unit: "px" for pixels of the picture, "deg" for degrees of visual angle.
        pixels_per_degree: pixels of the picture in one degree of visual angle; needed for "deg".

    Raises:
        ConfigError: no positive number, another unit, or degrees without `pixels_per_degree`.
    """

    sigma: float
    unit: str = "px"
    pixels_per_degree: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.sigma < np.inf:
            raise ConfigError(f"sigma is {self.sigma}; expected a positive number of pixels or degrees")
        if self.unit not in ("px", "deg"):
            raise ConfigError(f"unit {self.unit!r}; expected px or deg")
        if self.unit == "deg" and not self.pixels_per_degree:
            raise ConfigError("sigma in degrees needs the pixels of the picture in one degree; or give it in pixels")

    @property
    def pixels(self) -> float:
        """Return the standard deviation in pixels of the picture."""
        return self.sigma if self.unit == "px" else self.sigma * (self.pixels_per_degree or 0.0)

    def __str__(self) -> str:
        """Return the standard deviation with its unit, in pixels of the picture too if it is in degrees."""
        return f"{self.sigma:g} px" if self.unit == "px" else f"{self.sigma:g} degrees ({self.pixels:.3g} px)"


def draw_view_maps(fixations: Fixations, side: float, smoothing: Smoothing, cells: int = CELLS) -> Maps:
    """Draw the heat map of each view.

    Args:
        side: width and height of the pictures in pixels. Fixations outside are left out.
        cells: width and height of the maps.

    Returns:
        (views, cells, cells) with the sum 1 each, or 0 where the picture was not looked at.
    """
    from scipy.ndimage import gaussian_filter

    column = np.floor(fixations.x * (cells / side)).astype(np.int64)
    row = np.floor(fixations.y * (cells / side)).astype(np.int64)
    inside = (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
    views = len(fixations.view_image)
    place = ((fixations.view * cells + row) * cells + column)[inside]
    counts = np.bincount(place, weights=fixations.duration_ms[inside], minlength=views * cells * cells)
    maps = counts.reshape(views, cells, cells).astype(np.float32)
    sigma = smoothing.pixels * cells / side
    maps = np.asarray(gaussian_filter(maps, (0, sigma, sigma), mode="constant"), dtype=np.float32)
    sums = maps.sum(axis=(1, 2), keepdims=True)
    np.divide(maps, sums, out=maps, where=sums > 0)
    return maps


def average_by(groups: npt.NDArray[np.int64], maps: Maps) -> dict[int, Maps]:
    """Average the maps of each group, by its number; maps of views that were not looked at are left out."""
    looked = maps.any(axis=(1, 2))
    return {int(group): maps[(groups == group) & looked].mean(axis=0) for group in np.unique(groups[looked])}
