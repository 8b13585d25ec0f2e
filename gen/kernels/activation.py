"""Differentiable noise, bias, activation and scaling between two convolutions, in one pass over memory on CPUs.

The results are those of chains of PyTorch operations, which this module holds too. The chains are used on other
devices, in other dtypes, and for gradients that are differentiated once more. The passes are compiled by
`gen.kernels.compiled_loops`, and sum in float32 for maps of any dtype.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gen.kernels.compiled_loops import array, compile_loop, narrow, run_parts, widen

_PASSED: Final = (torch.float32, torch.bfloat16)
_SLOPE = np.float32(0.2)
_ROWS = 8
"""Number of pixels of a map that one thread sums, so that sums do not depend on the number of threads."""


def clamp(x: Tensor, limit: float | None) -> Tensor:
    """Limit x to ± limit; None sets no limit."""
    return x if limit is None else x.clamp(-limit, limit)


def weigh(x: Tensor, styles: Tensor) -> Tensor:
    """Multiply maps x (n, c, h, w) by their styles (n, c) float32, in the dtype of x."""
    if not _passes(x):
        return _weigh_by_operations(x, styles)
    product: Tensor = _StyleProduct.apply(x, styles)  # type: ignore[no-untyped-call]
    return product


def activate(
    y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None, strength: Tensor, limit: float | None
) -> Tensor:
    """Compute the leaky ReLU of y · scale + bias + noise · strength, within ± limit.

    Args:
        y: (n, c, h, w).
        scale, bias: (n, c) and (c,) float32.
        noise: (n or 1, 1, h, w) float32; None for none.
        strength: a scalar.
        limit: limit of the result; None for none.
    """
    if not _passes(y):
        return _activate_by_operations(y, scale, bias, noise, strength, limit)
    if noise is None:
        noise, strength = y.new_zeros((1, 1, *y.shape[2:]), dtype=torch.float32), strength.detach()
    made: Tensor = _Activation.apply(y, scale, bias, noise, strength, limit)  # type: ignore[no-untyped-call]
    return made


def activate_in_place(y: Tensor, limit: float | None) -> Tensor:
    """Overwrite y by its leaky ReLU within ± limit; values at the limit have no gradient."""
    if limit is None:
        return F.leaky_relu_(y, 0.2)
    made: Tensor = _InPlaceActivation.apply(y, limit)  # type: ignore[no-untyped-call]
    return made


def convolve_and_activate(
    x: Tensor, kernel: Tensor, bias: Tensor, stride: int, padding: int, limit: float | None
) -> Tensor:
    """Compute the leaky ReLU of the convolution of x by kernel (out, in, k, k) plus bias (out,), within ± limit."""
    if not (_passes(x) and onednn_convolves(x.dtype)):
        return activate_in_place(F.conv2d(x, kernel, bias, stride=stride, padding=padding), limit)
    y: Tensor = _ConvolutionActivation.apply(x, kernel, bias, stride, padding, limit)  # type: ignore[no-untyped-call]
    return y


def map_to_rgb(x: Tensor, kernels: Tensor) -> Tensor:
    """Compute colours (n, 3, h, w) float32 of maps x (n, c, h, w), each image by its own kernels (n, 3, c) float32."""
    if not _passes(x):
        return _map_to_rgb_by_operations(x, kernels)
    colours: Tensor = _RgbProjection.apply(x, kernels)  # type: ignore[no-untyped-call]
    return colours


def onednn_convolves(dtype: torch.dtype) -> bool:
    """Tell whether oneDNN convolves in this dtype here; bfloat16 needs AVX-512 or newer instructions."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _passes(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype in _PASSED


# The same in PyTorch operations.


def _weigh_by_operations(x: Tensor, styles: Tensor) -> Tensor:
    return x * styles.to(x.dtype)[:, :, None, None]


def _activate_by_operations(
    y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None, strength: Tensor, limit: float | None
) -> Tensor:
    v = torch.addcmul(bias.to(y.dtype)[:, None, None], y, scale.to(y.dtype)[:, :, None, None])
    if noise is not None:
        v = v + (noise * strength).to(y.dtype)
    return clamp(F.leaky_relu(v, 0.2), limit)


def _map_to_rgb_by_operations(x: Tensor, kernels: Tensor) -> Tensor:
    return torch.einsum("nchw,nkc->nkhw", x, kernels.to(x.dtype)).float()


def _differentiate_again(function: Any, inputs: tuple[Any, ...], gradient: Tensor) -> tuple[Tensor | None, ...]:
    """Compute the gradients of function(*inputs) so that they can be differentiated once more."""
    wanted = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
    found = iter(torch.autograd.grad(function(*inputs), wanted, gradient, create_graph=True))
    return tuple(next(found) if isinstance(x, Tensor) and x.requires_grad else None for x in inputs)


# The same in compiled passes.


class _StyleProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, styles: Tensor) -> Tensor:
        ctx.save_for_backward(x, styles)
        return _weigh_by_operations(x, styles)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, styles = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiate_again(_weigh_by_operations, (x, styles), gradients[0])
        g, x = _arrange(gradients[0]), _arrange(x)
        spread, sums = torch.empty_like(x), _sums(x, 1)
        run_parts(_weigh_backward, _parts(sums), array(g), array(x), _values(styles), array(spread), sums.numpy())
        return spread, sums.sum(dim=1)[:, 0]


class _Activation(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, y: Tensor, scale: Tensor, bias: Tensor, noise: Tensor, strength: Tensor, limit: float | None
    ) -> Tensor:
        ctx.save_for_backward(y, scale, bias, noise, strength)
        ctx.limit = limit
        y = _arrange(y)
        made = torch.empty_like(y)
        run_parts(_activate, _rows(y), array(y), *_terms(scale, bias, noise, strength, limit), array(made))
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        y, scale, bias, noise, strength = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiate_again(
                _activate_by_operations, (y, scale, bias, noise, strength, ctx.limit), gradients[0]
            )
        g, y = _arrange(gradients[0]), _arrange(y)
        spread, sums, pixels = torch.empty_like(y), _sums(y, 2), torch.empty((len(y), *y.shape[2:]))
        run_parts(
            _activate_backward,
            _parts(sums),
            array(g),
            array(y),
            *_terms(scale, bias, noise, strength, ctx.limit),
            array(spread),
            sums.numpy(),
            pixels.numpy(),
        )
        of_scale, of_bias = sums.sum(dim=1).unbind(dim=1)
        of_noise = (pixels[:, None] * strength).sum_to_size(noise.shape) if ctx.needs_input_grad[3] else None
        return spread, of_scale, of_bias.sum(dim=0), of_noise, (pixels * noise[:, 0]).sum(), None


class _RgbProjection(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: Tensor) -> Tensor:
        ctx.save_for_backward(x, kernels)
        x = _arrange(x)
        colours = torch.empty((len(x), 3, *x.shape[2:]))
        run_parts(_map_to_rgb, _rows(x), array(x), _values(kernels), colours.numpy())
        return colours

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, kernels = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _differentiate_again(_map_to_rgb_by_operations, (x, kernels), gradients[0])
        x = _arrange(x)
        spread, sums = torch.empty_like(x), _sums(x, 3)
        run_parts(
            _map_to_rgb_backward,
            _parts(sums),
            _values(gradients[0]),
            array(x),
            _values(kernels),
            array(spread),
            sums.numpy(),
        )
        return spread, sums.sum(dim=1)


class _ConvolutionActivation(torch.autograd.Function):
    """Convolution by oneDNN, which applies the leaky ReLU before it stores the result."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: Tensor, bias: Tensor, stride: int, padding: int, limit: float | None
    ) -> Tensor:
        ctx.steps, ctx.limit = ([stride] * 2, [padding] * 2, [1, 1]), limit
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, kernel, bias, [padding] * 2, [stride] * 2, [1, 1], 1, "leaky_relu", [0.2], ""
        )
        if limit is not None:
            y.clamp_(-limit, limit)
        ctx.save_for_backward(x, kernel, y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, kernel, y = ctx.saved_tensors
        if ctx.limit is None:
            g = torch.ops.aten.leaky_relu_backward(gradients[0], y, 0.2, True)
        else:
            g = _SlopeProduct.apply(gradients[0], y, ctx.limit)  # type: ignore[no-untyped-call]
        wanted = list(ctx.needs_input_grad[:3])
        found = torch.ops.aten.convolution_backward(g, x, kernel, [len(kernel)], *ctx.steps, False, [0, 0], 1, wanted)
        return *found, None, None, None


class _InPlaceActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, limit: float) -> Tensor:
        ctx.limit = limit
        F.leaky_relu_(y, 0.2).clamp_(-limit, limit)
        ctx.mark_dirty(y)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (made,) = ctx.saved_tensors
        return _SlopeProduct.apply(gradients[0], made, ctx.limit), None  # type: ignore[no-untyped-call]


class _SlopeProduct(torch.autograd.Function):
    """Product of a gradient and the slope of a leaky ReLU, found from its result. The product is its own adjoint."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, made: Tensor, limit: float) -> Tensor:
        ctx.save_for_backward(made)
        ctx.limit = limit
        if not _passes(made):
            sloped: Tensor = torch.ops.aten.leaky_relu_backward(gradient, made, 0.2, True)
            return sloped.masked_fill_(made.abs() >= limit, 0)
        gradient, made = _arrange(gradient), _arrange(made)
        sloped = torch.empty_like(made)
        run_parts(_slope, _rows(made), array(gradient), array(made), np.float32(limit), array(sloped))
        return sloped

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (made,) = ctx.saved_tensors
        return _SlopeProduct.apply(gradients[0], made, ctx.limit), None, None  # type: ignore[no-untyped-call]


def _arrange(x: Tensor) -> Tensor:
    return x.detach().contiguous(memory_format=torch.channels_last)


def _values(t: Tensor) -> Any:
    return t.detach().float().contiguous().numpy()


def _terms(
    scale: Tensor, bias: Tensor, noise: Tensor, strength: Tensor, limit: float | None
) -> tuple[Any, Any, Any, Any, Any]:
    bound = np.float32(math.inf if limit is None else limit)
    return _values(scale), _values(bias), _values(noise[:, 0]), np.float32(strength.item()), bound


def _sums(x: Tensor, kinds: int) -> Tensor:
    """Allocate room for sums over some rows of each map of x (n, c, h, w): (n, parts, kinds, c)."""
    return torch.empty((len(x), -(-x.shape[2] // _ROWS), kinds, x.shape[1]))


def _parts(sums: Tensor) -> int:
    return sums.shape[0] * sums.shape[1]


def _rows(x: Tensor) -> int:
    """Count the rows of all images."""
    return x.shape[0] * x.shape[2]


@compile_loop
def _weigh_backward(start: int, stop: int, g: Any, x: Any, styles: Any, spread: Any, sums: Any) -> None:
    _, h, w, c = x.shape
    parts = sums.shape[1]
    for part in range(start, stop):
        i, first = part // parts, part % parts * _ROWS
        style, total = styles[i], sums[i, part % parts, 0]
        total[:] = np.float32(0)
        for r in range(first, min(first + _ROWS, h)):
            for q in range(w):
                a, b, o = g[i, r, q], x[i, r, q], spread[i, r, q]
                for k in range(c):
                    v = widen(a[k])
                    total[k] += v * widen(b[k])
                    o[k] = narrow(v * style[k], o[k])


@compile_loop
def _activate(
    start: int, stop: int, y: Any, scales: Any, bias: Any, noise: Any, strength: Any, limit: Any, made: Any
) -> None:
    _, h, w, c = y.shape
    for row in range(start, stop):
        i, r = row // h, row % h
        scale, draws = scales[i], noise[i % len(noise), r]
        for q in range(w):
            e = draws[q] * strength
            a, o = y[i, r, q], made[i, r, q]
            for k in range(c):
                v = widen(a[k]) * scale[k] + bias[k] + e
                o[k] = narrow(min(max(max(v, _SLOPE * v), -limit), limit), o[k])


@compile_loop
def _activate_backward(
    start: int,
    stop: int,
    g: Any,
    y: Any,
    scales: Any,
    bias: Any,
    noise: Any,
    strength: Any,
    limit: Any,
    spread: Any,
    sums: Any,
    pixels: Any,
) -> None:
    """Compute the gradients of scale and bias, sums (n, parts, 2, c), and of the pixels over the channels, (n, h,
    w)."""
    _, h, w, c = y.shape
    parts = sums.shape[1]
    one, zero = np.float32(1), np.float32(0)
    for part in range(start, stop):
        i, first = part // parts, part % parts * _ROWS
        scale, of_scale, of_bias = scales[i], sums[i, part % parts, 0], sums[i, part % parts, 1]
        of_scale[:] = zero
        of_bias[:] = zero
        for r in range(first, min(first + _ROWS, h)):
            draws = noise[i % len(noise), r]
            for q in range(w):
                e = draws[q] * strength
                total = zero
                a, b, o = g[i, r, q], y[i, r, q], spread[i, r, q]
                for k in range(c):
                    u = widen(b[k])
                    v = u * scale[k] + bias[k] + e
                    slope = one if v > zero else _SLOPE
                    d = widen(a[k]) * (slope if abs(v * slope) <= limit else zero)
                    of_scale[k] += d * u
                    of_bias[k] += d
                    total += d
                    o[k] = narrow(d * scale[k], o[k])
                pixels[i, r, q] = total


@compile_loop
def _map_to_rgb(start: int, stop: int, x: Any, kernels: Any, colours: Any) -> None:
    _, h, w, c = x.shape
    for row in range(start, stop):
        i, r = row // h, row % h
        red, green, blue = kernels[i, 0], kernels[i, 1], kernels[i, 2]
        for q in range(w):
            a, b, d = np.float32(0), np.float32(0), np.float32(0)
            pixel = x[i, r, q]
            for k in range(c):
                v = widen(pixel[k])
                a += v * red[k]
                b += v * green[k]
                d += v * blue[k]
            colours[i, 0, r, q] = a
            colours[i, 1, r, q] = b
            colours[i, 2, r, q] = d


@compile_loop
def _map_to_rgb_backward(start: int, stop: int, g: Any, x: Any, kernels: Any, spread: Any, sums: Any) -> None:
    _, h, w, c = x.shape
    parts = sums.shape[1]
    for part in range(start, stop):
        i, first = part // parts, part % parts * _ROWS
        red, green, blue = kernels[i, 0], kernels[i, 1], kernels[i, 2]
        total = sums[i, part % parts]
        total[:] = np.float32(0)
        of_red, of_green, of_blue = total[0], total[1], total[2]
        for r in range(first, min(first + _ROWS, h)):
            for q in range(w):
                a, b, d = g[i, 0, r, q], g[i, 1, r, q], g[i, 2, r, q]
                pixel, o = x[i, r, q], spread[i, r, q]
                for k in range(c):
                    v = widen(pixel[k])
                    of_red[k] += a * v
                    of_green[k] += b * v
                    of_blue[k] += d * v
                    o[k] = narrow(a * red[k] + b * green[k] + d * blue[k], o[k])


@compile_loop
def _slope(start: int, stop: int, g: Any, made: Any, limit: Any, sloped: Any) -> None:
    _, h, w, c = made.shape
    one, zero = np.float32(1), np.float32(0)
    for row in range(start, stop):
        a, b, o = (
            g[row // h, row % h].reshape(-1),
            made[row // h, row % h].reshape(-1),
            sloped[row // h, row % h].reshape(-1),
        )
        for k in range(w * c):
            v = widen(b[k])
            slope = one if v > zero else _SLOPE
            o[k] = narrow(widen(a[k]) * (slope if abs(v) < limit else zero), o[k])
