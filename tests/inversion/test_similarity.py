from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch import Tensor

from core.errors import ImageError
from gen.config import DiscriminatorConfig
from gen.networks import Discriminator
from inversion.similarity import SCALE_WEIGHTS, DiscriminatorDistance, mean_square, ms_ssim


def pictures(side: int, noise: float) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(4)
    smooth = torch.nn.functional.interpolate(torch.randn(2, 3, 8, 8, generator=g), (side, side), mode="bicubic")
    a = (smooth / 3).clamp(-1, 1)
    return a, (a + noise * torch.randn(a.shape, generator=g)).clamp(-1, 1)


@pytest.mark.parametrize(("side", "scales"), [(128, 3), (160, 3), (256, 5)])
def test_ms_ssim_is_made_of_single_scales_as_skimage_computes_them(side: int, scales: int) -> None:
    a, b = pictures(side, 0.2)
    ours = ms_ssim(a, b)
    weights = np.array(SCALE_WEIGHTS[:scales]) / sum(SCALE_WEIGHTS[:scales])
    for image in range(2):
        channels = []
        for channel in range(3):
            product, x, y = 1.0, a[image, channel], b[image, channel]
            for scale, weight in enumerate(weights):
                product *= _single_scale(x, y, whole=scale == scales - 1) ** weight
                x, y = (torch.nn.functional.avg_pool2d(z[None], 2)[0] for z in (x, y))
            channels.append(product)
        assert abs(ours[image].item() - np.mean(channels)) < 1e-4


def _single_scale(x: Tensor, y: Tensor, *, whole: bool) -> float:
    """SSIM, or its contrast and structure alone, where the window lies wholly inside."""
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 2.0, "full": True}
    _, full = structural_similarity(x.double().numpy(), y.double().numpy(), **options)
    inside = full[5:-5, 5:-5]
    if whole:
        return float(inside.mean())
    mean_x, mean_y = (gaussian_filter(z.double().numpy(), 1.5, truncate=3.5) for z in (x, y))
    luminance = (2 * mean_x * mean_y + 4e-4) / (mean_x**2 + mean_y**2 + 4e-4)
    return float((inside / luminance[5:-5, 5:-5]).mean())


def test_equal_pictures_are_alike_and_noise_makes_them_less_so() -> None:
    a, b = pictures(128, 0.1)
    _, worse = pictures(128, 0.4)
    assert torch.allclose(ms_ssim(a, a), torch.ones(2))
    assert (ms_ssim(a, b) > ms_ssim(a, worse)).all()
    assert torch.allclose(mean_square(a, a + 0.5), torch.tensor(0.25))


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ImageError, match="44 pixels or more"):
        ms_ssim(torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 40))


def test_the_discriminators_features_tell_pictures_apart() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        distance = DiscriminatorDistance(Discriminator(DiscriminatorConfig(64, channel_base=512, channel_max=16)))
    a, b = pictures(64, 0.05)
    _, worse = pictures(64, 0.4)
    assert (distance(a, a) == 0).all()
    assert ((distance(a, b) > 0) & (distance(a, b) < distance(a, worse))).all()
    a.requires_grad_()
    (gradient,) = torch.autograd.grad(distance.measure_from(worse)(a).sum(), a)
    assert gradient.abs().max() > 0
