"""The networks computed the published way, to measure ours against: float32, contiguous, every step a pass of its own.

Modulation in training scales the activations, in generation it makes one kernel per image and one grouped convolution
of the batch; resampling is a strided convolution beside a low-pass filter; noise, bias, activation, gain and clamp
follow one after the other. `tests/test_benchmarks.py` holds it to the parity fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from gen.layers import Conv, SynthesisConv, ToRGB, clamped

FIR = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8] * 2)


@contextmanager
def published_way(*, per_image_kernels: bool) -> Iterator[None]:
    """Compute all networks so; `per_image_kernels` as in generation."""
    ours = {layer: layer.forward for layer in (SynthesisConv, ToRGB, Conv)}

    def synthesis(layer: SynthesisConv, x: Tensor, w: Tensor, noise: Tensor | None, _: None = None) -> Tensor:
        x, up = x.float().contiguous(), layer.taps is not None
        x = (_grouped if per_image_kernels else _scaled)(x, layer.weight, layer.affine(w), up, demodulate=True)
        if noise is not None:
            x = x + noise * layer.noise_strength
        return _activated(x, layer.bias, 1.0, layer.clamp)

    def to_rgb(layer: ToRGB, x: Tensor, w: Tensor) -> Tensor:
        styles = layer.affine(w) * layer.weight_gain
        x = (_grouped if per_image_kernels else _scaled)(x, layer.weight, styles, up=False, demodulate=False)
        return clamped(x + layer.bias[:, None, None], layer.clamp)

    def conv(layer: Conv, x: Tensor) -> Tensor:
        x, size = x.float().contiguous(), layer.weight.shape[2]
        gain = layer.gain / 2**0.5 if layer.activate else layer.gain
        kernel = layer.weight * (layer.weight_gain / layer.gain)
        if layer.taps is None:
            x = F.conv2d(x, kernel, padding=size // 2)
        else:
            x = F.conv2d(_low_pass(x, 1 + size // 2), kernel, stride=2)
        return _activated(x, layer.bias, gain, layer.limit) if layer.activate else x * gain

    try:
        SynthesisConv.forward, ToRGB.forward, Conv.forward = synthesis, to_rgb, conv  # type: ignore[method-assign]
        yield
    finally:
        for layer, forward in ours.items():
            layer.forward = forward  # type: ignore[method-assign]


def _scaled(x: Tensor, weight: Tensor, styles: Tensor, up: bool, *, demodulate: bool) -> Tensor:
    y = _convolved(x * styles[:, :, None, None], weight, up, groups=1)
    if not demodulate:
        return y
    kernels = weight * styles[:, None, :, None, None]
    return y * (kernels.square().sum(dim=(2, 3, 4)) + 1e-8).rsqrt()[:, :, None, None]


def _grouped(x: Tensor, weight: Tensor, styles: Tensor, up: bool, *, demodulate: bool) -> Tensor:
    n, out = len(x), len(weight)
    kernels = weight * styles[:, None, :, None, None]  # (n, out, in, k, k)
    if demodulate:
        kernels = kernels * (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    y = _convolved(x.reshape(1, -1, *x.shape[2:]), kernels.flatten(0, 1), up, groups=n)
    return y.reshape(n, out, *y.shape[2:])


def _convolved(x: Tensor, weight: Tensor, up: bool, groups: int) -> Tensor:
    if not up:
        return F.conv2d(x, weight, padding=weight.shape[2] // 2, groups=groups)
    out, inner = len(weight) // groups, weight.shape[1]
    transposed = weight.reshape(groups, out, inner, 3, 3).transpose(1, 2).reshape(groups * inner, out, 3, 3)
    return _low_pass(F.conv_transpose2d(x, transposed, stride=2, groups=groups), 1) * 4


def _low_pass(x: Tensor, padding: int) -> Tensor:
    x = F.pad(x, [padding] * 4)
    return F.conv2d(x, FIR.expand(x.shape[1], 1, 4, 4), groups=x.shape[1])


def _activated(x: Tensor, bias: Tensor | None, gain: float, limit: float | None) -> Tensor:
    if bias is not None:
        x = x + bias[:, None, None]
    return clamped(F.leaky_relu(x, 0.2) * (2**0.5 * gain), limit)
