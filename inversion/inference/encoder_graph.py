"""The encoders into W as OpenVINO models: images (n, 3, h, h) to offsets (n, w_dim) from the average latent."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from openvino import Model, Node, opset13

from gen.config import DiscriminatorConfig
from gen.inference.graph import SLOPE, SQRT2, Arrays
from gen.inference.operations import (
    LOW_PASS,
    convolve,
    convolve_groups,
    make_constant,
    make_input,
    make_integers,
    reshape,
)
from inversion.config import EncoderConfig, TrunkConfig
from inversion.inference.folding import convolve_with_bias, find_scale_and_shift, fold_norm, make_maps

_SQRT_HALF: Final = math.sqrt(0.5)


def build_encoder(tensors: Arrays, config: EncoderConfig | TrunkConfig) -> Model:
    """Build the model of an encoder, whose input `images` has the size that the encoder sees.

    Args:
        tensors: of the encoder, by their names in its state dict.
        config: of the encoder.
    """
    if isinstance(config, TrunkConfig):
        return _build_trunk_encoder(tensors, config)
    return _build_residual_encoder(tensors, config)


def _build_residual_encoder(tensors: Arrays, config: EncoderConfig) -> Model:
    images = make_input("images", [-1, 3, config.side, config.side])
    x = convolve_with_bias(images, *fold_norm(tensors, "input_layer.0", "input_layer.1"))
    x = opset13.prelu(x, make_constant(tensors["input_layer.2.weight"]))
    units = [(stage, unit) for stage, units in enumerate(config.units) for unit in range(units)]
    for number, (_, unit) in enumerate(units):
        x = _add_bottleneck(x, tensors, f"body.{number}", stride=2 if unit == 0 else 1)
    x = opset13.reduce_mean(x, make_integers([2, 3]), keep_dims=True)
    return Model([_apply_fully_connected(x, tensors, "linear")], [images], "encoder")


def _add_bottleneck(x: Node, tensors: Arrays, name: str, *, stride: int) -> Node:
    """Apply `inversion.networks.encoder.Bottleneck`."""
    residual = f"{name}.res_layer"
    scale, shift = find_scale_and_shift(tensors, f"{residual}.0")
    # Not folded into the convolution after it, which sees zeros around the normalised maps.
    y = opset13.add(opset13.multiply(x, make_maps(scale)), make_maps(shift))
    y = convolve(y, make_constant(tensors[f"{residual}.1.weight"]), padding=1)
    y = opset13.prelu(y, make_constant(tensors[f"{residual}.2.weight"]))
    y = convolve_with_bias(y, *fold_norm(tensors, f"{residual}.3", f"{residual}.4"), stride=stride)
    squeezed = opset13.reduce_mean(y, make_integers([2, 3]), keep_dims=True)
    inner = opset13.relu(convolve(squeezed, make_constant(tensors[f"{residual}.5.fc1.weight"])))
    y = opset13.multiply(y, opset13.sigmoid(convolve(inner, make_constant(tensors[f"{residual}.5.fc2.weight"]))))
    if f"{name}.shortcut_layer.0.weight" in tensors:
        folded = fold_norm(tensors, f"{name}.shortcut_layer.0", f"{name}.shortcut_layer.1")
        return opset13.add(y, convolve_with_bias(x, *folded, stride=stride))
    if stride > 1:
        places = [make_integers(values) for values in ([0, 0], [1 << 30] * 2, [stride] * 2, [2, 3])]
        x = opset13.slice(x, *places)
    return opset13.add(y, x)


def _build_trunk_encoder(tensors: Arrays, config: TrunkConfig) -> Model:
    side = config.discriminator.resolution
    images = make_input("images", [-1, 3, side, side])
    maps = compute_trunk(images, tensors, config.discriminator, prefix="trunk.")[-config.maps :]
    flat = [opset13.reshape(x, make_integers([0, -1]), special_zero=True) for x in maps]
    x = opset13.concat(flat, axis=1) if len(flat) > 1 else flat[0]
    x = opset13.subtract(x, make_constant(tensors["mean"][None]))
    weight = tensors["linear.weight"] / tensors["deviation"] / np.float32(math.sqrt(len(tensors["mean"])))
    y = opset13.matmul(x, make_constant(weight), False, True)
    return Model([opset13.add(y, make_constant(tensors["linear.bias"][None]))], [images], "encoder")


def compute_trunk(images: Node, tensors: Arrays, config: DiscriminatorConfig, prefix: str = "") -> list[Node]:
    """Compute the maps after every residual block of a discriminator, as `Discriminator.features` yields them."""
    x, maps = images, []
    for resolution in config.block_resolutions[:0:-1]:
        block = f"{prefix}b{resolution}"
        if f"{block}.fromrgb.weight" in tensors:
            x = _apply_conv(x, tensors, f"{block}.fromrgb", config)
        y = _apply_conv(x, tensors, f"{block}.conv0", config)
        y = _apply_conv(y, tensors, f"{block}.conv1", config, gain=_SQRT_HALF, down=True)
        x = opset13.add(y, _apply_conv(x, tensors, f"{block}.skip", config, gain=_SQRT_HALF, down=True))
        maps.append(x)
    return maps


def _apply_conv(
    x: Node, tensors: Arrays, name: str, config: DiscriminatorConfig, *, gain: float = 1.0, down: bool = False
) -> Node:
    """Apply `gen.layers.Conv`; a convolution without bias has no activation either."""
    weight = tensors[f"{name}.weight"]
    limit = None if config.conv_clamp is None else config.conv_clamp * gain
    bias = tensors.get(f"{name}.bias")
    if bias is not None:
        gain *= SQRT2
    kernel = make_constant(weight * np.float32(gain / math.sqrt(math.prod(weight.shape[1:]))))
    size = weight.shape[2]
    if not down:
        y = convolve(x, kernel, padding=size // 2)
    else:
        # A 1x1 kernel needs every other pixel of the filtered maps alone.
        taps = make_constant(np.tile(LOW_PASS, (weight.shape[1], 1, 1, 1, 1)))
        filtered = convolve_groups(x, taps, padding=1 + size // 2, stride=2 if size == 1 else 1)
        y = convolve(filtered, kernel, stride=1 if size == 1 else 2)
    if bias is not None:
        y = opset13.prelu(opset13.add(y, make_maps(bias * np.float32(gain))), make_constant([SLOPE]))
    return y if limit is None else opset13.clamp(y, -limit, limit)


def _apply_fully_connected(x: Node, tensors: Arrays, name: str) -> Node:
    """Apply `gen.layers.FullyConnected` to maps of one pixel, (n, in, 1, 1) -> (n, out)."""
    weight = tensors[f"{name}.weight"]
    kernel = weight[:, :, None, None] / np.float32(math.sqrt(weight.shape[1]))
    return reshape(convolve_with_bias(x, kernel, tensors[f"{name}.bias"]), [-1, len(weight)])
