"""Random numbers of an augmentation: a table with one row for each image, in which each entry is a draw's percentile.

A row determines all changes of its image. The same row gives the same augmentation in any batch, on any device and
with any other transforms, and a larger p only adds transforms.
"""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Final

import torch
from torch import Tensor

from core.errors import ConfigError

_VALUES: Final = {
    "xflip": 1,
    "rotate90": 1,
    "xint": 2,
    "scale": 1,
    "rotate_first": 1,
    "aniso": 1,
    "rotate_last": 1,
    "xfrac": 2,
    "brightness": 1,
    "contrast": 1,
    "lumaflip": 1,
    "hue": 1,
    "saturation": 1,
    "imgfilter_band0": 1,
    "imgfilter_band1": 1,
    "imgfilter_band2": 1,
    "imgfilter_band3": 1,
    "noise": 1,
    "noise_pixels": 1,
    "cutout": 2,
}
"""Number of draws that each transform needs; one more before them decides whether the transform happens."""

_ENDS: Final = tuple(accumulate(1 + count for count in _VALUES.values()))
_COLUMNS: Final = {name: end - _VALUES[name] - 1 for name, end in zip(_VALUES, _ENDS, strict=True)}


class Draws:
    """A table of percentiles, read as draws by the name of the transform.

    Args:
        table: (n, columns) float64 on the CPU, in (0, 1).
        fixed: the table holds no random numbers but one percentile, as `Draws.fix_percentile` makes it.
    """

    def __init__(self, table: Tensor, *, fixed: bool = False) -> None:
        self._table = table
        self._fixed = fixed

    @classmethod
    def random(cls, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw random numbers for `count` images; the first rows do not depend on the number of images.

        Args:
            generator: on the CPU; None takes torch's own.
        """
        table = torch.rand(count, _ENDS[-1], generator=generator, dtype=torch.float64)
        return cls(table.clamp_(min=2.0**-54))  # a normal draw at percentile 0 would be infinite

    @classmethod
    def fix_percentile(cls, count: int, percentile: float) -> Draws:
        """Set every draw to one percentile, for comparison with other implementations.

        By their convention the second of the two rotations does not happen, and a normal draw is
        erfinv(2·percentile - 1) standard deviations.

        Raises ConfigError unless 0 < percentile < 1.
        """
        if not 0 < percentile < 1:
            raise ConfigError(f"percentile is {percentile}; expected between 0 and 1, both excluded")
        table = torch.full((count, _ENDS[-1]), percentile, dtype=torch.float64)
        table[:, _COLUMNS["rotate_last"]] = 1
        return cls(table, fixed=True)

    def __len__(self) -> int:
        return len(self._table)

    def rows(self, indices: Tensor) -> Draws:
        """Select the draws of some images (k,), the share of one process in a batch of several processes."""
        return Draws(self._table[indices], fixed=self._fixed)

    def happens(self, name: str, chance: float) -> Tensor:
        """Draw (n,) bool, true with probability `chance`."""
        return self._table[:, _COLUMNS[name]] < chance

    def percentile(self, name: str) -> Tensor:
        """Draw (n, values of the transform), uniform in (0, 1)."""
        first = _COLUMNS[name] + 1
        return self._table[:, first : first + _VALUES[name]]

    def uniform(self, name: str) -> Tensor:
        """Draw (n, values), uniform in (-1, 1)."""
        return self.percentile(name) * 2 - 1

    def normal(self, name: str) -> Tensor:
        """Draw (n, values), standard normal."""
        return torch.erfinv(self.uniform(name)) * (1 if self._fixed else math.sqrt(2))

    def normal_pixels(self, name: str, row: int, shape: torch.Size) -> Tensor:
        """Draw standard normals of any `shape` float32 for one image, from a stream that the table seeds."""
        (percentile,) = self.percentile(name)[row].tolist()
        if self._fixed:
            return self.normal(name)[row].float().expand(shape)
        return torch.randn(shape, generator=torch.Generator().manual_seed(int(percentile * 2**53)))

    def choice(self, name: str, count: int) -> Tensor:
        """Draw (n, values), whole numbers from 0 to count - 1 with equal probability."""
        return (self.percentile(name) * count).floor()
