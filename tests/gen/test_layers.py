"""The fast layers against slow, obvious ones."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gen.layers import Conv, FullyConnected, SplitEmbedding, SynthesisConv, UpsampleRGB, normalize_2nd_moment

FIR = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8] * 2)


def fir(x: Tensor, pad: tuple[int, int], gain: float = 1.0) -> Tensor:
    """Low-pass filter each channel, padded by (before, after) on both axes."""
    channels = x.shape[1]
    padded = F.pad(x, (*pad, *pad))
    return F.conv2d(padded, (FIR * gain).repeat(channels, 1, 1, 1), groups=channels)


def slow_synthesis_conv(layer: SynthesisConv, x: Tensor, w: Tensor, noise: Tensor, *, up: bool) -> Tensor:
    """One modulated, demodulated kernel per sample; transposed convolution, then the filter."""
    images = []
    for image, style in zip(x, layer.affine(w), strict=True):
        kernel = layer.weight * style[None, :, None, None]
        kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            y = fir(F.conv_transpose2d(image[None], kernel.transpose(0, 1), stride=2), (1, 1), gain=4)
        else:
            y = F.conv2d(image[None], kernel, padding=1)
        images.append(y)
    y = torch.cat(images) + noise * layer.noise_strength + layer.bias[:, None, None]
    return F.leaky_relu(y, 0.2) * 2**0.5


@pytest.fixture(params=[False, True], ids=["filter apart", "filter folded"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the two ways a change of resolution takes depends on precision and hardware; both compute the same."""
    monkeypatch.setattr("gen.layers.folds_low_pass", lambda x: request.param)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.usefixtures("way")
def test_synthesis_conv_equals_per_sample_kernels(up: bool) -> None:
    torch.manual_seed(0)
    side = 16 if up else 8
    layer = SynthesisConv(5, 7, 6, side, up=up, clamp=None)
    layer.bias.data.normal_()
    layer.noise_strength.data.fill_(0.3)
    x, w, noise = torch.randn(3, 5, 8, 8), torch.randn(3, 6), torch.randn(3, 1, side, side)
    slow = slow_synthesis_conv(layer, x, w, noise, up=up)
    torch.testing.assert_close(layer(x, w, noise), slow, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kernel_size", "pad"), [(3, 2), (1, 1)])
@pytest.mark.usefixtures("way")
def test_downsampling_conv_equals_filter_then_stride(kernel_size: int, pad: int) -> None:
    torch.manual_seed(0)
    layer = Conv(4, 6, kernel_size, down=True, bias=False, activate=False)
    x = torch.randn(2, 4, 16, 16)
    slow = F.conv2d(fir(x, (pad, pad)), layer.weight * layer.weight_gain, stride=2)
    torch.testing.assert_close(layer(x), slow, atol=1e-5, rtol=1e-5)


def test_rgb_upsampling_equals_zeros_then_filter() -> None:
    torch.manual_seed(0)
    rgb = torch.randn(2, 3, 8, 8)
    zeros = torch.zeros(2, 3, 16, 16)
    zeros[:, :, ::2, ::2] = rgb
    torch.testing.assert_close(UpsampleRGB()(rgb), fir(zeros, (2, 1), gain=4))


def test_demodulated_kernels_have_unit_norm() -> None:
    """White noise through a modulated convolution keeps its variance, whatever the style."""
    torch.manual_seed(0)
    layer = SynthesisConv(64, 64, 8, 32, up=False, clamp=None)
    x = torch.randn(2, 64, 32, 32) / (layer.affine(torch.ones(2, 8)))[:, :, None, None]
    before_activation = layer(x, torch.ones(2, 8), None).detach()
    linear = torch.where(before_activation > 0, before_activation, before_activation / 0.2) / 2**0.5
    interior = linear[:, :, 1:-1, 1:-1]
    styles = layer.affine(torch.ones(1, 8))[0]
    kernel = layer.weight * styles[None, :, None, None]
    gain = layer.weight.square().sum(dim=(1, 2, 3)) / kernel.square().sum(dim=(1, 2, 3))
    torch.testing.assert_close(interior.var(dim=(0, 2, 3)), gain.detach(), atol=0.15, rtol=0.15)


def test_fully_connected_starts_with_unit_variance() -> None:
    torch.manual_seed(0)
    for lr_multiplier in (1.0, 0.01):
        layer = FullyConnected(256, 512, lr_multiplier=lr_multiplier)
        assert layer(torch.randn(64, 256)).std().item() == pytest.approx(1, abs=0.05)


def test_embedding_halves_see_only_their_part() -> None:
    torch.manual_seed(0)
    embed = SplitEmbedding(4, 5, 32)
    one, other_age = torch.zeros(1, 9), torch.zeros(1, 9)
    one[0, [1, 4]] = 1
    other_age[0, [1, 8]] = 1
    a, b = embed(one), embed(other_age)
    assert torch.equal(a[:, :16], b[:, :16])
    assert not torch.equal(a[:, 16:], b[:, 16:])


def test_second_moment_is_one() -> None:
    x = normalize_2nd_moment(torch.randn(3, 50) * 7)
    torch.testing.assert_close(x.square().mean(dim=1), torch.ones(3))
