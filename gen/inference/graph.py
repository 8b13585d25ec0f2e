"""The synthesis network as an OpenVINO model.

The arithmetic is that of `gen.layers`: styles scale the activations. Two choices make it fast on CPUs, where maps are
best kept with their channels last. Styles are computed by 1x1 convolutions of latents (n, w_dim, 1, 1), so that every
input of the operations between two convolutions has the same layout and the compiler inserts no copies from one layout
to another. A transposed convolution is followed by its low-pass filter as a depthwise convolution.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from openvino import Model, Node, opset13

from gen.config import GeneratorConfig
from gen.inference.operations import (
    LOW_PASS,
    convolve,
    convolve_groups,
    keep_float32,
    make_constant,
    make_input,
    make_integers,
    reshape,
)

Arrays: TypeAlias = Mapping[str, npt.NDArray[np.float32]]
"""Tensors of a checkpoint by name."""

NoiseInput: TypeAlias = Literal["const", "none", "given"]
"""Noise of the convolutions: the stored images, none, or an input of the model for each convolution."""

SQRT2: Final = math.sqrt(2)
SLOPE: Final = 0.2
FIR: Final = 4 * LOW_PASS
"""The low-pass filter, with the gain of 4 that makes up for the zeros between pixels."""


def build_synthesis(
    tensors: Arrays,
    config: GeneratorConfig,
    *,
    noise: NoiseInput = "const",
    pixels: bool = False,
    kernel_offsets: Collection[str] = (),
) -> Model:
    """Build the model of a synthesis network.

    Inputs: `ws` (n, num_ws, w_dim); with noise "given" `noise.NAME` (n or 1, 1, r, r) for each convolution; and
    `offset.NAME` (1, out, in, 3, 3) for each of `kernel_offsets`, with which a model renders one image at a time.
    Output: images (n, 3, h, h) float32, about [-1, 1].

    Operations that must not lose precision (styles, demodulation, and the path of the RGB image) stay in float32 when
    the model is compiled for bfloat16 by `gen.inference.engine`, which knows them by their names.

    Args:
        tensors: of a generator, named as in its checkpoint.
        config: of the same generator.
        noise: source of the noise.
        pixels: output uint8 (n, h, h, 3) instead.
        kernel_offsets: names of the convolutions whose kernels θ become θ·(1 + offset): b4.conv1, b8.conv0, …
    """
    return _Builder(tensors, config, noise, kernel_offsets).build(pixels=pixels)


class _Builder:
    def __init__(
        self, tensors: Arrays, config: GeneratorConfig, noise: NoiseInput, kernel_offsets: Collection[str]
    ) -> None:
        self._tensors = tensors
        self._config = config
        self._noise = noise
        self._with_offsets = frozenset(kernel_offsets)
        self._inputs: list[Node] = []

    def build(self, *, pixels: bool) -> Model:
        config = self._config
        ws = self._input("ws", [-1, config.num_ws, config.w_dim])
        parts = opset13.split(ws, make_integers(1), config.num_ws)
        # As maps of one pixel, see the head of the file.
        latents = iter([reshape(parts.output(i), [-1, config.w_dim, 1, 1]) for i in range(config.num_ws)])
        w = next(latents)
        x: Node = make_constant(self._get("synthesis.b4.const")[None])
        rgb: Node | None = None
        for resolution in config.block_resolutions:
            block = f"b{resolution}"
            for name in config.list_block_convolutions(resolution):
                x = self._convolve(x, w, f"{block}.{name}", resolution, up=name == "conv0")
                w = next(latents)
            # toRGB shares its latent with the first convolution of the next block.
            y = self._map_to_rgb(x, w, f"{block}.torgb")
            rgb = y if rgb is None else keep_float32(opset13.add(_upsample(rgb), y))
        assert rgb is not None  # noqa: S101  for the type checker; there is a block
        return Model([_to_pixels(rgb) if pixels else rgb], self._inputs, "synthesis")

    def _convolve(self, x: Node, w: Node, name: str, resolution: int, *, up: bool) -> Node:
        """Apply a modulated convolution, noise, bias and activation; the gain of the activation goes before it."""
        styles = self._apply_affine(w, name)
        weight: npt.NDArray[np.float32] = self._get(f"synthesis.{name}.weight")
        if name in self._with_offsets:
            kernel = self._modulate_kernel(weight, styles, name)
            if up:
                kernel = opset13.transpose(kernel, make_integers([1, 0, 2, 3]))
            y = self._filter(x, kernel, len(weight), up=up)
        else:
            kernel = make_constant(weight.transpose(1, 0, 2, 3) if up else weight)
            energies = make_constant(np.square(weight).sum(axis=(2, 3), keepdims=True))
            energy = keep_float32(convolve(keep_float32(opset13.multiply(styles, styles)), energies))
            y = self._filter(opset13.multiply(x, styles), kernel, len(weight), up=up)
            y = opset13.multiply(y, _demodulate(energy))
        y = self._add_bias_and_noise(y, name, resolution)
        return self._clamp(opset13.prelu(y, make_constant([SLOPE])))

    def _modulate_kernel(self, weight: npt.NDArray[np.float32], styles: Node, name: str) -> Node:
        """Return the kernel of one image. It is smaller than most maps, so that it is scaled rather than these."""
        offset = reshape(self._input(f"offset.{name}", [1, *weight.shape]), list(weight.shape))
        kernel = keep_float32(opset13.add(offset, make_constant(1)))
        kernel = keep_float32(opset13.multiply(kernel, make_constant(weight)))
        kernel = keep_float32(opset13.multiply(kernel, styles))
        squares = keep_float32(opset13.multiply(kernel, kernel))
        energy = keep_float32(opset13.reduce_sum(squares, make_integers([1, 2, 3]), True))
        return keep_float32(opset13.multiply(kernel, _demodulate(energy)))

    def _filter(self, x: Node, kernel: Node, out: int, *, up: bool) -> Node:
        if not up:
            return convolve(x, kernel, padding=1)
        y = opset13.convolution_backprop_data(x, kernel, [2, 2], pads_begin=[0, 0], pads_end=[0, 0])
        return convolve_groups(y, make_constant(np.tile(FIR, (out, 1, 1, 1, 1))), padding=1)

    def _add_bias_and_noise(self, y: Node, name: str, resolution: int) -> Node:
        bias = self._get(f"synthesis.{name}.bias")[None, :, None, None] * SQRT2
        strength = self._get(f"synthesis.{name}.noise_strength") * SQRT2
        if self._noise == "const":
            return opset13.add(y, make_constant(bias + strength * self._get(f"synthesis.{name}.noise_const")))
        if self._noise == "given":
            given = self._input(f"noise.{name}", [-1, 1, resolution, resolution])
            y = opset13.add(y, opset13.multiply(given, make_constant(strength)))
        return opset13.add(y, make_constant(bias))

    def _map_to_rgb(self, x: Node, w: Node, name: str) -> Node:
        weight = self._get(f"synthesis.{name}.weight")
        styles = self._apply_affine(w, name, gain=1 / math.sqrt(weight.shape[1]))
        kernel = make_constant(weight)
        if self._with_offsets:  # of one image, whose kernel is the smaller
            kernel = keep_float32(opset13.multiply(kernel, styles))
        else:
            x = keep_float32(opset13.multiply(x, styles))
        y = keep_float32(convolve(x, kernel))
        return self._clamp(keep_float32(opset13.add(y, self._bias(name))))

    def _apply_affine(self, w: Node, name: str, gain: float = 1.0) -> Node:
        """Compute styles (n, in, 1, 1)."""
        weight = self._get(f"synthesis.{name}.affine.weight")
        kernel = weight[:, :, None, None] * (gain / math.sqrt(weight.shape[1]))
        bias = self._get(f"synthesis.{name}.affine.bias")[None, :, None, None] * gain
        return keep_float32(opset13.add(keep_float32(convolve(w, make_constant(kernel))), make_constant(bias)))

    def _bias(self, name: str) -> Node:
        return make_constant(self._get(f"synthesis.{name}.bias")[None, :, None, None])

    def _clamp(self, y: Node) -> Node:
        limit = self._config.conv_clamp
        return y if limit is None else opset13.clamp(y, -limit, limit)

    def _input(self, name: str, shape: list[int]) -> Node:
        node = make_input(name, shape)
        self._inputs.append(node)
        return node

    def _get(self, name: str) -> npt.NDArray[np.float32]:
        return self._tensors[name].astype(np.float32, copy=False)


def _demodulate(energy: Node) -> Node:
    """Return the factor that demodulates maps, with the gain of the activation after it."""
    scale = keep_float32(opset13.power(keep_float32(opset13.add(energy, make_constant(1e-8))), make_constant(-0.5)))
    return keep_float32(opset13.multiply(scale, make_constant(SQRT2)))


def _upsample(rgb: Node) -> Node:
    taps = make_constant(np.tile(FIR, (3, 1, 1, 1, 1)))
    return keep_float32(opset13.group_convolution_backprop_data(rgb, taps, [2, 2], pads_begin=[1, 1], pads_end=[1, 1]))


def _to_pixels(images: Node) -> Node:
    """Convert images to uint8 (n, h, h, 3), rounded as `faces.images.to_uint8` rounds."""
    scaled = opset13.multiply(opset13.add(images, make_constant(1)), make_constant(127.5))
    rounded = opset13.clamp(opset13.round(scaled, "half_to_even"), 0.0, 255.0)
    return opset13.transpose(opset13.convert(rounded, np.uint8), make_integers([0, 2, 3, 1]))
