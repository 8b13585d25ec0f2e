"""Layers of StyleGAN2: equalised, modulated and resampling convolutions.

Weights are stored as standard normals and scaled when used (Karras et al. 2018, equalised learning rate), and named
as in the published PyTorch checkpoints. Two things are computed in another way than published, with equal results.
Styles scale the activations instead of making one kernel per sample. On GPUs in half precision the low-pass filter of a
resampling convolution is folded into its kernel: this is one dense convolution with four times the arithmetic, which
matrix units compute faster than a second pass over memory. On CPUs the filter is a pass of its own. Its gradient needs
one pass too, so it should cost less than the arithmetic even on a CPU with matrix units (estimated, not measured).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gen.config import GeneratorConfig
from gen.kernels.activation import (
    activate,
    activate_in_place,
    clamp,
    convolve_and_activate,
    map_to_rgb,
    weigh,
)
from gen.kernels.lowpass import FIR, LOW_PASS, Way, low_pass

SQRT2 = math.sqrt(2)
SQRT_HALF = math.sqrt(0.5)


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """Scale each row of x (n, d) to a mean square of 1."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class FullyConnected(nn.Module):
    """Equalised linear layer (n, in) -> (n, out), with a leaky ReLU if `activate`."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activate: bool = False,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init))
        self.activate = activate
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x * self.weight_gain, self.weight, self.bias * self.bias_gain)
        return F.leaky_relu(x, 0.2) * SQRT2 if self.activate else x


class SplitEmbedding(nn.Module):
    """Label embedding whose first half sees the condition alone and whose second half the age alone (Duong 2022).

    Stored as two matrices and one bias; c (n, conditions + ages) -> (n, out_features). Both halves have the gain of
    the single matrix that they replace, 1/sqrt(conditions + ages), so that checkpoints with that matrix load unchanged.
    """

    def __init__(self, conditions: int, ages: int, out_features: int) -> None:
        super().__init__()
        self.split = [conditions, ages]
        self.condition_weight = nn.Parameter(torch.randn(out_features // 2, conditions))
        self.age_weight = nn.Parameter(torch.randn(out_features - out_features // 2, ages))
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.weight_gain = 1 / math.sqrt(conditions + ages)

    def forward(self, c: Tensor) -> Tensor:
        condition, age = torch.split(c, self.split, dim=1)
        halves = (condition @ self.condition_weight.T, age @ self.age_weight.T)
        return torch.cat(halves, dim=1) * self.weight_gain + self.bias


def _upsampling_taps() -> Tensor:
    """Compute (6, 3) weights that make the kernel taps of [stride-2 transposed 3-tap convolution, then FIR] from the
    three taps."""
    fir = FIR * 2  # gain 2 per axis compensates for the zeros between pixels
    taps = torch.zeros(6, 3)
    for k in range(6):
        for a in range(3):
            if 0 <= a - k + 3 < 4:
                taps[k, a] = fir[a - k + 3]
    return taps


def _downsampling_taps(size: int) -> Tensor:
    """Compute (size + 3, size) weights that make the kernel taps of [FIR, then stride-2 convolution of `size` taps]
    from the taps."""
    taps = torch.zeros(size + 3, size)
    for a in range(size):
        taps[a : a + 4, a] = FIR
    return taps


def _fold(weight: Tensor, taps: Tensor) -> Tensor:
    """Apply `taps` to both axes of the kernels (out, in, k, k)."""
    return taps @ weight @ taps.T


def folds_low_pass(x: Tensor) -> bool:
    """Tell whether the low-pass filter is folded into the kernel (see the head of this file)."""
    return x.is_cuda and x.dtype != torch.float32


class SynthesisConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU; doubles the resolution if `up`.

    x (n, in, r, r), w (n, w_dim) -> (n, out, R, R) at resolution R.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        up: bool,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("taps", _upsampling_taps() if up else None, persistent=False)
        self.register_buffer("fir", 4 * LOW_PASS, persistent=False)
        self.noise_const: Tensor
        self.taps: Tensor | None
        self.fir: Tensor
        self.clamp = clamp

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, offset: Tensor | None = None) -> Tensor:
        """Convolve, modulate and activate.

        Args:
            noise: (n or 1, 1, R, R) standard normal, or None.
            offset: (n, out, in, 3, 3) of the kernel θ, which becomes θ·(1 + offset).
        """
        styles = self.affine(w)
        # The gain of the activation, sqrt(2), is applied before it, where it costs nothing: a positive factor
        # passes through a leaky ReLU.
        if offset is None:
            energy = styles.square() @ self.weight.square().sum(dim=(2, 3)).T
        else:
            kernels = self.weight * (1 + offset)
            energy = torch.einsum("ni,noi->no", styles.square(), kernels.square().sum(dim=(3, 4)))
        x = weigh(x, styles)
        if offset is None:
            y = self._convolve(x, self.weight)
        else:  # image by image: on a CPU as fast as one grouped convolution, or faster
            y = torch.cat([self._convolve(one, kernel) for one, kernel in zip(torch.split(x, 1), kernels, strict=True)])
        demodulation = (energy + 1e-8).rsqrt() * SQRT2
        return activate(y, demodulation, self.bias * SQRT2, noise, self.noise_strength * SQRT2, self.clamp)

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.taps is None:
            return F.conv2d(x, weight.to(x.dtype), padding=1)
        if folds_low_pass(x):
            kernel = _fold(weight, self.taps).to(x.dtype).transpose(0, 1)
            return F.conv_transpose2d(x, kernel, stride=2, padding=2)
        kernel = weight.to(x.dtype).transpose(0, 1)
        return low_pass(F.conv_transpose2d(x, kernel, stride=2), Way.SHORTEN, self.fir)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to RGB, without demodulation: (n, in, r, r), (n, w_dim) -> (n, 3, r, r) float32."""

    def __init__(self, in_channels: int, w_dim: int, *, clamp: float | None) -> None:
        super().__init__()
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.clamp = clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        styles = self.affine(w) * self.weight_gain
        rgb = map_to_rgb(x, self.weight[:, :, 0, 0] * styles[:, None]) + self.bias[:, None, None]
        return clamp(rgb, self.clamp)


class UpsampleRGB(nn.Module):
    """Double the resolution of an RGB image with the low-pass filter."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", 4 * LOW_PASS.repeat(3, 1, 1, 1), persistent=False)
        self.kernel: Tensor

    def forward(self, rgb: Tensor) -> Tensor:
        return F.conv_transpose2d(rgb, self.kernel, stride=2, padding=1, groups=3)


class SynthesisBlock(nn.Module):
    """Two modulated convolutions (one at 4x4, on the learned constant) and an RGB skip connection."""

    def __init__(self, config: GeneratorConfig, resolution: int) -> None:
        super().__init__()
        out, clamp = config.channels(resolution), config.conv_clamp
        first = resolution == 4
        self.const = nn.Parameter(torch.randn(out, 4, 4)) if first else None
        self.conv0 = (
            None
            if first
            else SynthesisConv(config.channels(resolution // 2), out, config.w_dim, resolution, up=True, clamp=clamp)
        )
        self.conv1 = SynthesisConv(out, out, config.w_dim, resolution, up=False, clamp=clamp)
        self._resolution = resolution
        self.torgb = ToRGB(out, config.w_dim, clamp=clamp)
        self.upsample_rgb = None if first else UpsampleRGB()

    @property
    def convs(self) -> dict[str, SynthesisConv]:
        """The convolutions in the order of their use, by the names of their offsets: b8.conv0, b8.conv1."""
        convs = {"conv0": self.conv0, "conv1": self.conv1}
        return {f"b{self._resolution}.{name}": conv for name, conv in convs.items() if conv is not None}


class Conv(nn.Module):
    """Equalised convolution of the discriminator, optionally halving the resolution through the low-pass filter."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        down: bool = False,
        bias: bool = True,
        activate: bool = True,
        gain: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("taps", _downsampling_taps(kernel_size) if down else None, persistent=False)
        self.register_buffer("fir", LOW_PASS.clone(), persistent=False)
        self.taps: Tensor | None
        self.fir: Tensor
        # As in SynthesisConv, the gain of the activation goes before it.
        self.gain = gain * SQRT2 if activate else gain
        self.weight_gain = self.gain / math.sqrt(in_channels * kernel_size**2)
        self.activate = activate
        self.limit = None if clamp is None else clamp * gain

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.weight * self.weight_gain
        size = kernel.shape[2]
        if self.taps is None:
            stride, padding = 1, size // 2
        elif folds_low_pass(x):
            kernel = _fold(kernel, self.taps)
            stride, padding = 2, (size + 1) // 2
        elif size == 1:
            x = low_pass(x, Way.HALVE, self.fir)
            stride, padding = 1, 0
        else:
            x = low_pass(x, Way.LENGTHEN, self.fir)
            stride, padding = 2, 0
        kernel = kernel.to(x.dtype)
        bias = None if self.bias is None else (self.bias * self.gain).to(x.dtype)
        if self.activate and bias is not None:
            return convolve_and_activate(x, kernel, bias, stride, padding, self.limit)
        y = F.conv2d(x, kernel, bias, stride=stride, padding=padding)
        return activate_in_place(y, self.limit) if self.activate else clamp(y, self.limit)
