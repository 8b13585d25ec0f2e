"""The hypernetwork without gradients on a CPU, as fast as it goes.

Its answers are those of `inversion.networks.hypernetwork`, arranged otherwise.

- What depends on the weights alone is prepared once, in as much memory again: normalisations are folded into the
  convolutions before them, and kernels packed as oneDNN reads them.
- A convolution, what is added to it and its activation are one operation.
- Heads of one kind stand side by side: their first convolutions, which read the same maps, are one wide one, those
  that follow grouped ones, and all meet the shared matrices at once.
- What the first convolution sees of the face, the same in every pass, is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from gen import winograd
from gen.kernels.activation import onednn_convolves
from gen.preparing import Preparations
from inversion.networks.encoder import resize
from inversion.networks.hypernetwork import (
    SLOPE,
    TAPS,
    BasicBlock,
    Hypernetwork,
    PlainBlock,
    SeparableBlock,
    SeparableKernel,
    SharedBlock,
)

Answer: TypeAlias = Callable[[Tensor], Mapping[str, Tensor]]
"""Reconstructions (n, 3, h, h) -> offsets (n, out, in, 3, 3) by the name of the kernel."""

Emit: TypeAlias = Callable[[Tensor], Mapping[str, Tensor]]
"""Maps (n, features, h, h) -> those of some kernels."""


class _Convolution:
    """A convolution, what is added to it, and its activation.

    Args:
        kernel, bias: (out, in / groups, k, k) and (out,).
        slope: of the leaky ReLU; 1 for none.
        side: of the maps, if known.
    """

    def __init__(
        self,
        kernel: Tensor,
        bias: Tensor,
        dtype: torch.dtype,
        *,
        stride: int = 1,
        groups: int = 1,
        slope: float = 1.0,
        side: int = 0,
    ) -> None:
        kernel, self._bias, self._slope = kernel.detach(), bias.detach().to(dtype), slope
        self._points = None
        if dtype == torch.float32 and stride == 1 and winograd.pays(kernel, side):
            self._points = winograd.transformed(kernel)
        else:
            self._steps = [kernel.shape[2] // 2] * 2, [stride] * 2, [1, 1], groups
            self._kernel = torch.ops.mkldnn._reorder_convolution_weight(kernel.to(dtype), *self._steps)
            self._activation = ("none", []) if slope == 1 else ("leaky_relu", [slope]) if slope else ("relu", [])

    def __call__(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        if self._points is not None:
            return self._at_points(x, self._points, added)
        convolved, arguments = torch.ops.mkldnn._convolution_pointwise, (self._kernel, self._bias, *self._steps)
        y: Tensor = (
            convolved(x, *arguments, *self._activation, "")
            if added is None
            else convolved.binary(x, added, *arguments, "add", 1.0, *self._activation, "")
        )
        return y

    def _at_points(self, x: Tensor, points: Tensor, added: Tensor | None) -> Tensor:
        y = torch.empty((len(x), points.shape[2], *x.shape[2:]), memory_format=torch.channels_last)
        for _ in winograd.convolved(x, points, y):
            pass
        y.add_(self._bias[:, None, None])
        return F.leaky_relu_(y if added is None else y.add_(added), self._slope)


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and bias of both in one."""
    assert norm.running_mean is not None and norm.running_var is not None  # noqa: S101, PT018  for the type checker
    return fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )


class _Unit:
    """A residual unit, whose answer has this side."""

    def __init__(self, block: BasicBlock, side: int, dtype: torch.dtype) -> None:
        stride = block.conv1.stride[0]
        self._first = _Convolution(*_folded(block.conv1, block.bn1), dtype, stride=stride, slope=0, side=side)
        self._second = _Convolution(*_folded(block.conv2, block.bn2), dtype, slope=0, side=side)
        self._across = None
        if block.downsample is not None:
            convolution, norm = block.downsample
            assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)  # noqa: S101, PT018
            self._across = _Convolution(*_folded(convolution, norm), dtype, stride=stride)

    def __call__(self, x: Tensor) -> Tensor:
        return self._second(self._first(x), added=x if self._across is None else self._across(x))


class _SideBySide:
    """The convolutions of k heads alike: maps (n, features, h, h) -> (n, k, features, r, r)."""

    def __init__(self, heads: Sequence[nn.Sequential], dtype: torch.dtype) -> None:
        self._heads = len(heads)
        self._layers: list[_Convolution] = []
        for alike in zip(*heads, strict=True):
            convolutions = [layer for layer in alike if isinstance(layer, nn.Conv2d)]
            if not convolutions:
                continue  # an activation, computed with the convolution before it
            kernel, bias = (torch.cat([getattr(c, name) for c in convolutions]) for name in ("weight", "bias"))
            stride, groups = convolutions[0].stride[0], self._heads if self._layers else 1
            self._layers.append(_Convolution(kernel, bias, dtype, stride=stride, groups=groups, slope=SLOPE))

    def __call__(self, x: Tensor) -> Tensor:
        for layer in self._layers:
            x = layer(x)
        return x.reshape(len(x), self._heads, -1, *x.shape[2:])


def _shared(network: Hypernetwork, dtype: torch.dtype) -> Emit:
    named, head = network.blocks_of(SharedBlock), network.shared_weight_hypernet
    assert head is not None  # noqa: S101  for the type checker; there are such blocks
    convolved = _SideBySide([block.convs for block in named.values()], dtype)
    linears = [block.linear for block in named.values()]
    linear = torch.stack([one.weight.T * one.weight_gain for one in linears]).to(dtype)
    bias = torch.stack([one.bias * one.bias_gain for one in linears]).to(dtype)[:, None]
    w1, b1, w2, b2 = (t.detach().to(dtype) for t in (head.w1, head.b1, head.w2, head.b2))

    def emit(x: Tensor) -> dict[str, Tensor]:
        features = torch.baddbmm(bias, convolved(x).flatten(start_dim=2).transpose(0, 1), linear)  # (k, n, features)
        rows = torch.addmm(b2, features.flatten(end_dim=1), w2).reshape(-1, head.features)
        kernels = torch.addmm(b1, rows, w1).reshape(len(named), len(x), head.maps, head.maps, 3, 3)
        return dict(zip(named, kernels, strict=True))

    return emit


def _separable(network: Hypernetwork, dtype: torch.dtype) -> Emit:
    named = network.blocks_of(SeparableBlock)
    convolved = _SideBySide([block.convs for block in named.values()], dtype)
    kernels = [_OuterProduct(block.kernel, dtype) for block in named.values()]

    def emit(x: Tensor) -> dict[str, Tensor]:
        features = convolved(x).flatten(start_dim=2).unbind(dim=1)
        return {name: kernel(y) for name, kernel, y in zip(named, kernels, features, strict=True)}

    return emit


class _OuterProduct:
    """A separable kernel, (n, features) -> (n, out, in, 3, 3): instead of the outer product of two vectors these are
    mixed, once for all.

    W_out (c r' W_in' + 1 b_in') + b_out 1' = (W_out c) (W_in r)' + (W_out 1) b_in' + b_out 1'
    """

    def __init__(self, kernel: SeparableKernel, dtype: torch.dtype) -> None:
        out, inner = kernel.kernel_linear_out, kernel.kernel_linear_in
        self._column = [t.to(dtype) for t in _mixed(kernel.make_kernel_out, out)]
        self._row = [t.to(dtype) for t in _mixed(kernel.make_kernel_in, inner)]
        self._constant = (out.weight.sum(dim=1).outer(inner.bias) + out.bias[:, None])[:, :, None].to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        column, row = (F.linear(x, *vector).reshape(len(x), -1, TAPS) for vector in (self._column, self._row))
        kernel = torch.addcmul(self._constant, column[:, :, None], row[:, None])
        return kernel.reshape(*kernel.shape[:3], 3, 3)


def _mixed(vector: nn.Linear, mixing: nn.Linear) -> list[Tensor]:
    """Weight and bias of what makes one vector after the other, (size * taps, features) and (size * taps,)."""
    parts = (t.reshape(TAPS, mixing.in_features, *t.shape[1:]) for t in (vector.weight, vector.bias))
    return [torch.tensordot(mixing.weight, part, dims=([1], [1])).flatten(end_dim=1) for part in parts]


def _plain(network: Hypernetwork, dtype: torch.dtype) -> Emit:
    named = network.blocks_of(PlainBlock)
    convolved = _SideBySide([block.convs for block in named.values()], dtype)
    last = [[p.detach().to(dtype) for p in block.output.parameters()] for block in named.values()]
    sizes = [block.sizes for block in named.values()]

    def emit(x: Tensor) -> dict[str, Tensor]:
        features = convolved(x).mean(dim=(3, 4), keepdim=True).unbind(dim=1)
        numbers = [F.conv2d(y, weight, bias) for y, (weight, bias) in zip(features, last, strict=True)]
        kernels = [y.reshape(len(x), *size, 1, 1) for y, size in zip(numbers, sizes, strict=True)]
        return {name: kernel.expand(-1, -1, -1, 3, 3) for name, kernel in zip(named, kernels, strict=True)}

    return emit


class PreparedHypernetwork:
    """A hypernetwork in evaluation mode, prepared for a dtype."""

    def __init__(self, network: Hypernetwork, dtype: torch.dtype) -> None:
        self._side, self._dtype = network.config.side, dtype
        kernel, bias = _folded(network.conv1, network.bn1)
        self._of_face, self._of_picture = (
            _Convolution(part, b, dtype, stride=2)
            for part, b in zip(kernel.chunk(2, dim=1), (bias, torch.zeros_like(bias)), strict=True)
        )
        self._slopes = network.relu.weight.detach().to(dtype)
        self._units, side = [], self._side // 2
        for block in network.body:
            assert isinstance(block, BasicBlock)  # noqa: S101  for the type checker
            side //= block.conv1.stride[0]
            self._units.append(_Unit(block, side, dtype))
        kinds = {SharedBlock: _shared, SeparableBlock: _separable, PlainBlock: _plain}
        self._emit = [emit(network, dtype) for kind, emit in kinds.items() if network.blocks_of(kind)]
        self._layers = network.layers

    def facing(self, faces: Tensor) -> Answer:
        """What makes offsets of reconstructions of faces (n, 3, h, h)."""
        seen = self._of_face(self._sized(faces))

        def answer(pictures: Tensor) -> dict[str, Tensor]:
            x = F.prelu(self._of_picture(self._sized(pictures)).add_(seen), self._slopes)
            for unit in self._units:
                x = unit(x)
            offsets = {name: offset for emit in self._emit for name, offset in emit(x).items()}
            return {name: offsets[name] for name in self._layers}

        return answer

    def _sized(self, images: Tensor) -> Tensor:
        return resize(images, self._side).to(self._dtype)


prepared: Final[Preparations[Hypernetwork, PreparedHypernetwork]] = Preparations(PreparedHypernetwork)
"""A hypernetwork in evaluation mode for a dtype."""


def may_prepare(network: nn.Module, x: Tensor, dtype: torch.dtype) -> bool:
    """Whether what is prepared may compute: in evaluation mode, without gradients, where oneDNN has the dtype."""
    if network.training or torch.is_grad_enabled() or x.device.type != "cpu":
        return False
    return onednn_convolves(dtype)
