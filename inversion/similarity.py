"""Similarity of pictures: squared error, MS-SSIM, and distances between features of networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import ImageError
from gen.networks import Discriminator

Distance: TypeAlias = Callable[[Tensor], Tensor]
"""Distance (n,) of pictures (n, 3, h, h) in [-1, 1] from fixed ones; differentiable."""


class Perceptual(Protocol):
    """Distance between the features of pictures (n, 3, h, h) in [-1, 1], 0 for equal ones."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the distance (n,) of pictures; differentiable in the first."""

    def measure_from(self, target: Tensor) -> Distance:
        """Return the distance from a target, whose features are computed once."""


SCALE_WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales of MS-SSIM, from the finest on (Wang et al. 2003)."""

SHORT_SCALES: Final = 3
"""Scales that are used where a picture is too small for all five."""

_WINDOW: Final = 11

LEAST_PX: Final = _WINDOW * 2 ** (SHORT_SCALES - 1)
"""Side of the smallest pictures that MS-SSIM compares."""

SSIM_MARGIN: Final = _WINDOW // 2
"""Pixels at each edge of two pictures for which there is no local similarity."""

_SIGMA: Final = 1.5
_C1, _C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # the range of values is 2


def mean_square(a: Tensor, b: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean squared difference (n,) of each pair of pictures.

    Args:
        weights: of the pixels, with a mean of 1, which broadcast to the pictures; None for 1.
    """
    if weights is not None:
        return ((a - b).square() * weights).mean(dim=(1, 2, 3))
    if torch.is_grad_enabled() or a.device.type != "cpu":
        return (a - b).square().mean(dim=(1, 2, 3))
    # Without PyTorch's threads, which would go on to wait actively beside those of OpenVINO.
    differences = np.subtract(a.numpy(), b.numpy()).reshape(len(a), -1)
    return torch.from_numpy(np.square(differences, out=differences).mean(axis=1))


def ms_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the multi-scale structural similarity (n,), 1 for equal pictures (Wang et al. 2003).

    It is the mean over the colour channels.

    The window is a Gaussian of 11 pixels, sigma 1.5, without padding. Pictures of 160 pixels or less are compared at
    the first three scales, with their weights renormalised: the window does not fit into the fifth.

    Args:
        a, b: (n, 3, h, h) in [-1, 1], h of 44 or more.

    Raises:
        ImageError: smaller pictures, or shapes that differ.
    """
    if a.shape != b.shape or a.ndim != 4 or min(a.shape[2:]) < LEAST_PX:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ImageError(f"pictures are {shapes}; expected equal ones of {LEAST_PX} pixels or more")
    scales = len(SCALE_WEIGHTS) if min(a.shape[2:]) > (_WINDOW - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) else SHORT_SCALES
    weights = torch.tensor(SCALE_WEIGHTS[:scales], dtype=torch.float32, device=a.device)
    weights = weights / weights.sum()
    a, b = a.float(), b.float()
    product = torch.ones(a.shape[:2], device=a.device)
    for scale, weight in enumerate(weights):
        luminance, contrast = _compute_ssim_parts(a, b)
        term = luminance * contrast if scale == scales - 1 else contrast
        # A negative term has no fractional power; such pictures are as unlike as can be.
        product = product * term.mean(dim=(2, 3)).clamp(min=0) ** weight
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return product.mean(dim=1)


def compute_ssim_map(a: Tensor, b: Tensor) -> Tensor:
    """Compute the local structural similarity (n, c, h - 10, w - 10) of pictures (n, c, h, w) in [-1, 1]."""
    luminance, contrast = _compute_ssim_parts(a, b)
    return luminance * contrast


def _compute_ssim_parts(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the luminance and contrast-structure maps of SSIM."""
    mean_a, mean_b, aa, bb, ab = _blur(torch.cat([a, b, a * a, b * b, a * b], dim=1)).chunk(5, dim=1)
    variance_a, variance_b, covariance = aa - mean_a**2, bb - mean_b**2, ab - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    return luminance, (2 * covariance + _C2) / (variance_a + variance_b + _C2)


def _blur(x: Tensor) -> Tensor:
    """Blur all maps at once with channels last, the fastest depthwise convolution on a CPU."""
    places = torch.arange(_WINDOW, device=x.device, dtype=x.dtype) - _WINDOW // 2
    window = torch.exp(-(places**2) / (2 * _SIGMA**2))
    window = (window / window.sum()).expand(x.shape[1], 1, 1, -1)
    x = x.contiguous(memory_format=torch.channels_last)
    return F.conv2d(F.conv2d(x, window, groups=x.shape[1]), window.transpose(2, 3), groups=x.shape[1])


class DiscriminatorDistance:
    """Perceptual distance between a trained discriminator's feature maps, normalised at every pixel.

    As LPIPS (Zhang et al. 2018) without learnt weights: the mean, over the residual blocks, of the mean squared
    difference of the normalised maps. It serves where no network of photographs may be had.
    """

    def __init__(self, discriminator: Discriminator, dtype: torch.dtype = torch.float32) -> None:
        self._discriminator = discriminator.eval().requires_grad_(False)
        self._dtype = dtype

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return self.measure_from(b)(a)

    def measure_from(self, target: Tensor) -> Distance:
        """Return the distance from a target, whose features are computed once."""
        with torch.no_grad():
            theirs = list(self._features(target))

        def measure(images: Tensor) -> Tensor:
            pairs = zip(self._features(images), theirs, strict=True)
            return torch.stack([(x - y).square().sum(dim=1).mean(dim=(1, 2)) for x, y in pairs]).mean(dim=0)

        return measure

    def _features(self, images: Tensor) -> Iterator[Tensor]:
        return (_normalise(x.float()) for x in self._discriminator.features(images, self._dtype))


def _normalise(x: Tensor) -> Tensor:
    return x / (x.square().sum(dim=1, keepdim=True) + 1e-10).sqrt()
