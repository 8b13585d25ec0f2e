"""Image filter that amplifies the four octaves of spatial frequency at random (Karras et al. 2020, appendix B)."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from gen.augmentation.draws import Draws

SYM2: Final = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
"""Low-pass of the symlet with two vanishing moments, as in decomposition (Daubechies 1992)."""

_BANDS: Final = 4
_SPECTRUM: Final = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""Power of natural images in each band, which the filter keeps."""


def band_gains(draws: Draws, chance: float) -> Tensor:
    """Draw the amplitudes of the bands, (n, 4) float64, lowest first; each gain is drawn with probability `chance`."""
    spectrum = torch.tensor(_SPECTRUM, dtype=torch.float64)
    gains = torch.ones(len(draws), _BANDS, dtype=torch.float64)
    for band in range(_BANDS):
        name = f"imgfilter_band{band}"
        of_band = torch.ones_like(gains)
        of_band[:, band] = torch.where(draws.happens(name, chance), torch.exp2(draws.normal(name)[:, 0]), 1.0)
        gains *= of_band / (of_band.square() @ spectrum)[:, None].sqrt()
    return gains


def amplify(images: Tensor, gains: Tensor) -> Tensor:
    """Amplify the bands of images (n, c, h, w) by gains (n, 4) along both axes; images are continued by reflection.

    A filter of 43 taps is slow as a convolution of few channels. As a dense matrix for each image and axis it needs two
    products, and works for sides of any length. It is differentiable in the images.
    """
    height, width = images.shape[2:]
    kernels = gains @ _band_filters()
    rows, columns = (_make_reflecting_matrices(kernels, side).to(images)[:, None] for side in (height, width))
    return rows @ images @ columns.mT


def _band_filters() -> Tensor:
    """Make symmetric filters (4, 43) float64; each passes one band, and their sum passes the whole signal."""
    low_pass = torch.tensor(SYM2, dtype=torch.float64)
    high_pass = low_pass * torch.tensor([1, -1, 1, -1])
    low, high = (_convolve(taps[None], taps.flip(0)) / 2 for taps in (low_pass, high_pass))
    filters = torch.zeros(_BANDS, 1, dtype=torch.float64)
    filters[0] = 1
    for band in range(1, _BANDS):
        spread = torch.zeros(_BANDS, 2 * filters.shape[1] - 1, dtype=torch.float64)
        spread[:, ::2] = filters
        filters = _convolve(spread, low[0])
        start = (filters.shape[1] - high.shape[1]) // 2
        filters[band, start : start + high.shape[1]] += high[0]
    return filters


def _convolve(signals: Tensor, taps: Tensor) -> Tensor:
    return F.conv1d(signals[:, None], taps.flip(0)[None, None], padding=len(taps) - 1)[:, 0]


def _make_reflecting_matrices(kernels: Tensor, side: int) -> Tensor:
    """Make matrices (n, side, side) that convolve a reflected row of `side` pixels with symmetric kernels (n, odd)."""
    reach = kernels.shape[1] // 2
    pixel = torch.arange(side)
    matrices = kernels.new_zeros(len(kernels), side, side)
    for tap in range(kernels.shape[1]):
        source = (pixel + tap - reach).remainder(max(2 * (side - 1), 1))
        source = torch.minimum(source, 2 * (side - 1) - source)
        matrices[:, pixel, source] += kernels[:, tap : tap + 1]
    return matrices
