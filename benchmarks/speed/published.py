"""The networks computed the published way, for comparison: float32, contiguous, every step a pass of its own.

Modulation in training scales the activations, in generation it makes one kernel per image and one grouped convolution
of the batch; resampling is a strided convolution beside a low-pass filter; noise, bias, activation, gain and clamp
follow one after the other. Nothing here computes with our layers, only with their weights, so that no shortcut of ours
speeds it up unseen. `tests/benchmarks/test_benchmarks.py` holds it to the parity fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

import inversion.inverter
import inversion.networks.encoder
import inversion.networks.hypernetwork
import inversion.networks.trunk_encoder
from gen.conversion_cache import ConversionCache
from gen.kernels.activation import clamp
from gen.layers import Conv, FullyConnected, SynthesisConv, ToRGB
from gen.networks import Discriminator, Generator

FIR = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8] * 2)

_RESIZING = (
    inversion.networks.encoder,
    inversion.networks.hypernetwork,
    inversion.inverter,
    inversion.networks.trunk_encoder,
)


@contextmanager
def compute_published_way(*, per_image_kernels: bool) -> Iterator[None]:
    """Compute all networks the published way within the context.

    Args:
        per_image_kernels: one kernel for each image, as in generation.
    """

    def synthesize(net: Generator, *args: Any, **kwargs: Any) -> Tensor:
        return _synthesize_images(net, *args, **kwargs, per_image_kernels=per_image_kernels)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Generator, "synthesize", synthesize))
        stack.enter_context(patch.object(Discriminator, "features", _compute_features))
        stack.enter_context(patch.object(Conv, "forward", _apply_conv))
        stack.enter_context(patch.object(FullyConnected, "forward", _apply_fully_connected))
        for module in _RESIZING:
            stack.enter_context(patch.object(module, "resize", _resize))
        stack.enter_context(patch.object(ConversionCache, "find", lambda *_: None))
        yield


def _synthesize_images(
    net: Generator,
    w: Tensor,
    noise: str | Mapping[str, Tensor] = "const",
    generator: torch.Generator | Sequence[torch.Generator] | None = None,
    dtype: torch.dtype = torch.float32,
    offsets: Mapping[str, Tensor] | None = None,
    *,
    per_image_kernels: bool,
) -> Tensor:
    """Compute `Generator.synthesize`; whatever the dtype, this is float32."""
    const, styles = net.synthesis.blocks[0].const, iter(w.unbind(dim=1))
    assert const is not None
    x, rgb, latent = const.expand(len(w), -1, -1, -1).contiguous(), None, next(styles)
    for block in net.synthesis.blocks:
        for name, layer in block.convs.items():
            drawn = _choose_noise(
                layer.noise_const, len(w), noise if isinstance(noise, str) else noise[name], generator
            )
            x = _apply_synthesis(
                layer, x, latent, drawn, (offsets or {}).get(name), per_image_kernels=per_image_kernels
            )
            latent = next(styles)
        shown = _apply_to_rgb(block.torgb, x, latent, per_image_kernels=per_image_kernels)
        rgb = shown if rgb is None else _upsample(rgb) + shown
    assert rgb is not None
    return rgb


def _choose_noise(
    const: Tensor, n: int, noise: str | Tensor, source: torch.Generator | Sequence[torch.Generator] | None
) -> Tensor | None:
    if isinstance(noise, Tensor):
        return noise
    if noise == "random":
        each = source if isinstance(source, Sequence) else None
        shape = (1, *const.shape)
        if each is not None:
            drawn = torch.stack([torch.randn(shape, generator=one) for one in each])
        else:
            drawn = torch.randn((n, *shape), generator=source)  # type: ignore[arg-type]
        return drawn.to(const.device)
    return const[None, None] if noise == "const" else None


def _apply_synthesis(
    layer: SynthesisConv, x: Tensor, w: Tensor, noise: Tensor | None, offset: Tensor | None, *, per_image_kernels: bool
) -> Tensor:
    """Apply a modulated convolution; an offset (n, out, in, 3, 3) of its kernel needs kernels for each image."""
    weight = layer.weight if offset is None else layer.weight * (1 + offset)
    convolve = convolve_grouped if per_image_kernels or offset is not None else _convolve_scaled
    x = convolve(x.float().contiguous(), weight, layer.affine(w), layer.taps is not None, demodulate=True)
    if noise is not None:
        x = x + noise * layer.noise_strength
    return _activate(x, layer.bias, 1.0, layer.clamp)


def _apply_to_rgb(layer: ToRGB, x: Tensor, w: Tensor, *, per_image_kernels: bool) -> Tensor:
    convolve, styles = convolve_grouped if per_image_kernels else _convolve_scaled, layer.affine(w) * layer.weight_gain
    x = convolve(x, layer.weight, styles, up=False, demodulate=False)
    return clamp(x + layer.bias[:, None, None], layer.clamp)


def _compute_features(net: Discriminator, images: Tensor, dtype: torch.dtype = torch.float32) -> Iterator[Tensor]:
    """Compute `Discriminator.features`; whatever the dtype, this is float32."""
    x = images.float().contiguous()
    for resolution in net.config.block_resolutions[:0:-1]:
        block: Any = net.get_submodule(f"b{resolution}")
        x = x if block.fromrgb is None else _apply_conv(block.fromrgb, x)
        x = _apply_conv(block.conv1, _apply_conv(block.conv0, x)) + _apply_conv(block.skip, x)
        yield x


def _apply_conv(layer: Conv, x: Tensor) -> Tensor:
    x, size = x.float().contiguous(), layer.weight.shape[2]
    gain = layer.gain / 2**0.5 if layer.activate else layer.gain
    kernel = layer.weight * (layer.weight_gain / layer.gain)
    if layer.taps is None:
        x = F.conv2d(x, kernel, padding=size // 2)
    else:
        x = F.conv2d(_filter_low_pass(x, 1 + size // 2), kernel, stride=2)
    return _activate(x, layer.bias, gain, layer.limit) if layer.activate else x * gain


def _apply_fully_connected(layer: FullyConnected, x: Tensor) -> Tensor:
    x = F.linear(x, layer.weight * layer.weight_gain, layer.bias * layer.bias_gain)
    return F.leaky_relu(x, 0.2) * 2**0.5 if layer.activate else x


def _resize(images: Tensor, side: int) -> Tensor:
    """Compute `inversion.networks.encoder.resize`, but contiguous."""
    if images.shape[2] > side:
        images = F.adaptive_avg_pool2d(images, side)
    elif images.shape[2] < side:
        images = F.interpolate(images, (side, side), mode="bilinear", align_corners=False)
    return images.contiguous()


def _convolve_scaled(x: Tensor, weight: Tensor, styles: Tensor, up: bool, *, demodulate: bool) -> Tensor:
    y = _convolve(x * styles[:, :, None, None], weight, up, groups=1)
    if not demodulate:
        return y
    kernels = weight * styles[:, None, :, None, None]
    return y * (kernels.square().sum(dim=(2, 3, 4)) + 1e-8).rsqrt()[:, :, None, None]


def convolve_grouped(x: Tensor, weight: Tensor, styles: Tensor, up: bool, *, demodulate: bool) -> Tensor:
    """Convolve each image with its own kernel; weight: (out, in, k, k), or (n, out, in, k, k)."""
    n, out = len(x), weight.shape[-4]
    kernels = weight * styles[:, None, :, None, None]  # (n, out, in, k, k)
    if demodulate:
        kernels = kernels * (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    y = _convolve(x.reshape(1, -1, *x.shape[2:]), kernels.flatten(0, 1), up, groups=n)
    return y.reshape(n, out, *y.shape[2:])


def _convolve(x: Tensor, weight: Tensor, up: bool, groups: int) -> Tensor:
    if not up:
        return F.conv2d(x, weight, padding=weight.shape[2] // 2, groups=groups)
    out, inner = len(weight) // groups, weight.shape[1]
    transposed = weight.reshape(groups, out, inner, 3, 3).transpose(1, 2).reshape(groups * inner, out, 3, 3)
    return _filter_low_pass(F.conv_transpose2d(x, transposed, stride=2, groups=groups), 1) * 4


def _upsample(rgb: Tensor) -> Tensor:
    """Double the size of a picture: put zeros between its pixels, then filter."""
    n, c, h, w = rgb.shape
    spread = F.pad(rgb.reshape(n, c, h, 1, w, 1), [0, 1, 0, 0, 0, 1]).reshape(n, c, 2 * h, 2 * w)
    spread = F.pad(spread, [2, 1, 2, 1])
    return F.conv2d(spread, (4 * FIR).to(rgb.device).expand(c, 1, 4, 4), groups=c)


def _filter_low_pass(x: Tensor, padding: int) -> Tensor:
    x = F.pad(x, [padding] * 4)
    return F.conv2d(x, FIR.to(x.device).expand(x.shape[1], 1, 4, 4), groups=x.shape[1])


def _activate(x: Tensor, bias: Tensor | None, gain: float, limit: float | None) -> Tensor:
    if bias is not None:
        x = x + bias[:, None, None]
    return clamp(F.leaky_relu(x, 0.2) * (2**0.5 * gain), limit)
