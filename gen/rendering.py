"""Fast rendering without gradients on a CPU, with the arithmetic of `gen.layers` in another order.

- Everything that depends only on the weights is prepared once: kernels in the dtype of the convolutions, and their
  energies for the demodulation.
- Between two convolutions there is one pass over memory (`gen.passes`), which also weighs the maps by the next
  convolution's style and adds their colours to the picture.
- Large maps are computed a few images at a time, so that the result of one step is still in the cache for the next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gen import passes, winograd
from gen.layers import SQRT2, SynthesisBlock, SynthesisConv
from gen.preparing import Preparations
from gen.side_by_side import parts_of, side_by_side

_VALUES_AT_ONCE: Final = 1 << 21
"""Number of values in the maps of all channels and images of a step."""

_NOTHING: Final = np.zeros((1, 3, 0, 0), np.float32)


class _Convolution:
    """Modulated convolution, prepared for a dtype."""

    def __init__(self, layer: SynthesisConv, dtype: torch.dtype) -> None:
        self.up = layer.taps is not None
        self.weight = layer.weight
        self.energy = layer.weight.square().sum(dim=(2, 3)).T.contiguous()
        self.bias = layer.bias * SQRT2
        self.noise = layer.noise_const[None]
        self.strength = np.float32(layer.noise_strength.item() * SQRT2)
        self.limit = np.float32(math.inf if layer.clamp is None else layer.clamp)
        self._points, self._kernel = None, None
        if dtype == torch.float32 and not self.up and winograd.pays(layer.weight, self.noise.shape[1]):
            self._points = winograd.transformed(layer.weight)
        else:
            self._kernel = self._arrange(layer.weight.to(dtype))

    def scale(self, energy: Tensor) -> Tensor:
        """Compute the demodulation, with the gain of the activation and, if the resolution doubles, of the low-pass
        filter."""
        return (energy + 1e-8).rsqrt() * (SQRT2 / 16 if self.up else SQRT2)

    def adapt_kernel(self, offset: Tensor, styles: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Compute the kernel θ·(1 + offset) of one image, arranged for `__call__`, and its scale for styles (1, in)."""
        kernel = torch.addcmul(self.weight, self.weight, offset)
        energy = styles.square() @ kernel.square().sum(dim=(2, 3)).T
        return self._arrange(kernel.to(dtype)), self.scale(energy)

    def _arrange(self, kernel: Tensor) -> Tensor:
        """Arrange a kernel so that oneDNN reads it with the least copying."""
        return (kernel.transpose(0, 1) if self.up else kernel).contiguous(memory_format=torch.channels_last)

    def __call__(self, x: Tensor, kernel: Tensor | None) -> Iterator[tuple[Tensor, int, int]]:
        """Convolve x (n, in, r, r) into y (n, out, r, r), or (n, out, 2r + 1, 2r + 1) if the resolution doubles.

        Args:
            kernel: kernel to use instead of the weights.

        Yields:
            y, and the range of rows of all images that were computed since the last time.
        """
        if self._points is not None and kernel is None:
            y = torch.empty((len(x), self._points.shape[2], *x.shape[2:]), memory_format=torch.channels_last)
            yield from ((y, start, stop) for start, stop in winograd.convolved(x, self._points, y))
            return
        kernel = self._kernel if kernel is None else kernel
        assert kernel is not None  # noqa: S101  for the type checker
        y = F.conv_transpose2d(x, kernel, stride=2) if self.up else F.conv2d(x, kernel, padding=1)
        yield y.contiguous(memory_format=torch.channels_last), 0, len(y) * y.shape[2]


@dataclass(frozen=True)
class _Step:
    """Convolution with its parameters for n images.

    Args:
        styles: (n, in).
        parameters: (n, 3 or 6, out), see `gen.passes.finish`; with an offset, its scale is replaced.
        noise: (n or 1, r, r).
        strength: strength of the noise.
        offset: (n, out, in, 3, 3), or None.
    """

    convolution: _Convolution
    styles: Tensor
    parameters: Tensor
    noise: Tensor
    strength: np.float32
    offset: Tensor | None

    def select(self, images: slice) -> _Step:
        return replace(
            self,
            styles=self.styles[images],
            parameters=self.parameters[images],
            noise=self.noise if len(self.noise) == 1 else self.noise[images],
            offset=None if self.offset is None else self.offset[images],
        )

    def compute_doubled(self, x: Tensor) -> Tensor:
        """Compute the input of the next convolution, at twice the resolution."""
        kernel, parameters = self._own_kernel(x.dtype)
        ((y, _, _),) = self.convolution(x, kernel)
        n, c, h, w = y.shape
        out = torch.empty((n, c, h - 1, w - 1), dtype=y.dtype, memory_format=torch.channels_last)
        passes.shared_out(
            passes.filter_and_finish,
            n * (h - 1),
            passes.array(y),
            passes.array(out),
            parameters.numpy(),
            self.noise.numpy(),
            self.strength,
            self.convolution.limit,
        )
        return out

    def compute_with_rgb(self, x: Tensor, bias: Tensor, below: Tensor | None, *, keep: bool) -> tuple[Tensor, Tensor]:
        """Compute the input of the next convolution, which is valid only if kept, and the picture (n, 3, r, r).

        Args:
            bias: bias of the picture, (3,).
            below: picture at half the resolution.
        """
        kernel, parameters = self._own_kernel(x.dtype)
        n, _, h, w = x.shape
        rgb = torch.empty((n, 3, h, w))
        for y, start, stop in self.convolution(x, kernel):
            passes.shared_out(
                passes.finish,
                stop - start,
                passes.array(y),
                start,
                parameters.numpy(),
                self.noise.numpy(),
                self.strength,
                self.convolution.limit,
                keep,
                bias.numpy(),
                _NOTHING if below is None else below.numpy(),
                rgb.numpy(),
            )
        return y, rgb

    def _own_kernel(self, dtype: torch.dtype) -> tuple[Tensor | None, Tensor]:
        """Return the kernel of the one image that has its own, and its parameters."""
        if self.offset is None:
            return None, self.parameters
        kernel, scale = self.convolution.adapt_kernel(self.offset[0], self.styles, dtype)
        return kernel, torch.cat([scale[:, None], self.parameters[:, 1:]], dim=1)


class SynthesisNetwork(Protocol):
    """Network of synthesis blocks, in the order of their resolutions."""

    @property
    def blocks(self) -> Sequence[SynthesisBlock]: ...


class Rendering:
    """Synthesis network, prepared for a dtype."""

    def __init__(self, synthesis: SynthesisNetwork, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._blocks = synthesis.blocks
        self._convolutions = {
            name: _Convolution(layer, dtype) for block in self._blocks for name, layer in block.convs.items()
        }

    def __call__(self, ws: Tensor, noise: Mapping[str, Tensor | None], offsets: Mapping[str, Tensor]) -> Tensor:
        """Images (n, 3, h, h) float32 of latents (n, num_ws, w_dim), noise (n or 1, 1, r, r) and kernels' offsets."""
        blocks = self._steps(ws, noise, offsets)
        n = len(ws)
        parts = [slice(i, i + 1) for i in range(n)] if offsets else parts_of(n)
        return torch.cat(side_by_side(lambda part: self._images(_select(blocks, part)), parts))

    def _steps(
        self, ws: Tensor, noise: Mapping[str, Tensor | None], offsets: Mapping[str, Tensor]
    ) -> list[list[_Step]]:
        """Prepare the steps of every block."""
        latents = iter(ws.unbind(dim=1))
        w = next(latents)
        styles, colours = {}, {}
        for block in self._blocks:
            for name, layer in block.convs.items():
                styles[name] = layer.affine(w)
                w = next(latents)
            colours[name] = block.torgb.weight[:, :, 0, 0] * (block.torgb.affine(w) * block.torgb.weight_gain)[:, None]
        following = dict(zip(styles, [*list(styles.values())[1:], torch.ones(1, 1)], strict=True))

        def step(name: str) -> _Step:
            convolution, drawn = self._convolutions[name], noise[name]
            scale = convolution.scale(styles[name].square() @ convolution.energy)
            rows = [row.expand_as(scale)[:, None] for row in (scale, convolution.bias, following[name])]
            parameters = torch.cat([*rows, colours[name]] if name in colours else rows, dim=1)
            given = (convolution.noise, np.float32(0)) if drawn is None else (drawn[:, 0], convolution.strength)
            return _Step(convolution, styles[name], parameters, *given, offsets.get(name))

        return [[step(name) for name in block.convs] for block in self._blocks]

    def _images(self, blocks: Sequence[Sequence[_Step]]) -> Tensor:
        const, styles = self._blocks[0].const, blocks[0][0].styles
        assert const is not None  # noqa: S101  for the type checker; every first block has it
        x = (const * styles[:, :, None, None]).to(self._dtype).contiguous(memory_format=torch.channels_last)
        return self._render_from(0, x, None, blocks)

    def _render_from(self, number: int, x: Tensor, below: Tensor | None, blocks: Sequence[Sequence[_Step]]) -> Tensor:
        """Render with the blocks from this one on, from its input x and the picture so far."""
        if below is not None and number == len(self._blocks):
            return below
        *before, last = blocks[number]
        n, largest = len(x), last.noise.shape[1] ** 2 * last.parameters.shape[2]
        if n > 1 and n * largest > _VALUES_AT_ONCE:
            halves = slice(0, n // 2), slice(n // 2, n)
            return torch.cat(
                [
                    self._render_from(number, x[h], None if below is None else below[h], _select(blocks, h))
                    for h in halves
                ]
            )
        for step in before:
            x = step.compute_doubled(x)
        goes_on = number < len(self._blocks) - 1
        return self._render_from(
            number + 1, *last.compute_with_rgb(x, self._blocks[number].torgb.bias, below, keep=goes_on), blocks
        )


def _select(blocks: Sequence[Sequence[_Step]], images: slice) -> list[list[_Step]]:
    return [[step.select(images) for step in block] for block in blocks]


prepared: Final[Preparations[Any, Rendering]] = Preparations(Rendering)
"""The rendering of a `SynthesisNetwork` for a dtype."""
