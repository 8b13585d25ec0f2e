"""The hypernetwork as OpenVINO models: reconstructions of faces to offsets of kernels.

The arithmetic is that of `inversion.networks.hypernetwork`, arranged otherwise. What the first convolution sees of the
face is the same in every pass, and is computed by a model of its own. Blocks of one kind stand side by side: their
first convolutions, which read the same maps, are one wide one, those that follow are grouped, and all meet the shared
matrices at once. A separable kernel mixes two vectors instead of their outer product.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from openvino import Model, Node, opset13

from gen.inference.graph import Arrays
from gen.inference.operations import (
    convolve,
    convolve_groups,
    make_constant,
    make_input,
    make_integers,
    name_output,
    reshape,
)
from inversion.config import HypernetworkConfig
from inversion.inference.folding import Floats, convolve_with_bias, fold_norm, make_maps

_SLOPE: Final = 0.01
_TAPS: Final = 9


@dataclass(frozen=True)
class KernelBlock:
    """The part of a hypernetwork that emits the offsets of one kernel.

    Args:
        name: of its tensors: refinement_blocks.0, …
        sizes: (out, in) of the kernel.
    """

    name: str
    sizes: tuple[int, int]


def build_face_features(tensors: Arrays, config: HypernetworkConfig) -> Model:
    """Build the model of what the first convolution sees of faces: (n, 3, side, side) -> (n, width, side/2, side/2)."""
    images = make_input("images", [-1, 3, config.side, config.side])
    kernel, bias = fold_norm(tensors, "conv1", "bn1")
    return Model([convolve_with_bias(images, kernel[:, :3], bias, stride=2)], [images], "face_features")


def build_hypernetwork(tensors: Arrays, config: HypernetworkConfig, blocks: Mapping[str, KernelBlock]) -> Model:
    """Build the model from `features` of faces and `pictures` (n, 3, side, side) to offsets.

    The features are those of `build_face_features`. Outputs: offsets (n, out, in, 3, 3) for each block, in their order
    and under their names.

    Args:
        tensors: of the hypernetwork, by their names in its state dict.
        config: of the hypernetwork.
        blocks: by the name of the kernel.
    """
    width, side = config.widths[0], config.side
    features = make_input("features", [-1, width, side // 2, side // 2])
    pictures = make_input("pictures", [-1, 3, side, side])
    kernel, _ = fold_norm(tensors, "conv1", "bn1")
    x = opset13.add(convolve(pictures, make_constant(kernel[:, 3:]), stride=2, padding=3), features)
    x = opset13.prelu(x, make_constant(tensors["relu.weight"]))
    units = [(stage, unit) for stage, units in enumerate(config.units) for unit in range(units)]
    for number, (stage, unit) in enumerate(units):
        x = _add_basic_block(x, tensors, f"body.{number}", stride=2 if unit == 0 and stage > 0 else 1)
    offsets: dict[str, Node] = {}
    shared = {name: block for name, block in blocks.items() if f"{block.name}.linear.weight" in tensors}
    plain = {name: block for name, block in blocks.items() if f"{block.name}.output.weight" in tensors}
    separable = {name: block for name, block in blocks.items() if name not in shared and name not in plain}
    for emit, chosen in ((_emit_shared, shared), (_emit_separable, separable), (_emit_plain, plain)):
        if chosen:
            offsets |= zip(chosen, emit(x, tensors, list(chosen.values())), strict=True)
    outputs = [name_output(offsets[name], name) for name in blocks]
    return Model(outputs, [features, pictures], "hypernetwork")


def _add_basic_block(x: Node, tensors: Arrays, name: str, *, stride: int) -> Node:
    """Apply `inversion.networks.hypernetwork.BasicBlock`."""
    y = opset13.relu(convolve_with_bias(x, *fold_norm(tensors, f"{name}.conv1", f"{name}.bn1"), stride=stride))
    y = convolve_with_bias(y, *fold_norm(tensors, f"{name}.conv2", f"{name}.bn2"))
    if f"{name}.downsample.0.weight" in tensors:
        x = convolve_with_bias(x, *fold_norm(tensors, f"{name}.downsample.0", f"{name}.downsample.1"), stride=stride)
    return opset13.relu(opset13.add(y, x))


def _convolve_side_by_side(x: Node, tensors: Arrays, blocks: list[KernelBlock], *, keep_first: bool = False) -> Node:
    """Apply the convolutions of k blocks alike: maps (n, features, h, h) -> (n, k·features, r, r).

    Each halves the maps; with `keep_first` the first does not.
    """
    layer = 0
    while f"{blocks[0].name}.convs.{layer}.weight" in tensors:
        kernels = np.stack([tensors[f"{block.name}.convs.{layer}.weight"] for block in blocks])
        bias = np.concatenate([tensors[f"{block.name}.convs.{layer}.bias"] for block in blocks])
        stride = 1 if keep_first and layer == 0 else 2
        if layer == 0:
            x = convolve(x, make_constant(kernels.reshape(-1, *kernels.shape[2:])), stride=stride, padding=1)
        else:
            x = convolve_groups(x, make_constant(kernels), stride=stride, padding=1)
        x = opset13.prelu(opset13.add(x, make_maps(bias)), make_constant([_SLOPE]))
        layer += 2  # an activation is between two convolutions
    return x


def _emit_shared(x: Node, tensors: Arrays, blocks: list[KernelBlock]) -> list[Node]:
    x = _convolve_side_by_side(x, tensors, blocks, keep_first=True)
    linear = np.stack([tensors[f"{block.name}.linear.weight"] for block in blocks])
    features = linear.shape[2]
    kernel = make_constant(linear[..., None, None] / np.float32(math.sqrt(features)))
    bias = np.concatenate([tensors[f"{block.name}.linear.bias"] for block in blocks])
    x = opset13.add(convolve_groups(x, kernel), make_maps(bias))
    head = "shared_weight_hypernet"
    maps = tensors[f"{head}.w1"].shape[1] // _TAPS
    rows = _multiply(reshape(x, [-1, features]), tensors[f"{head}.w2"], tensors[f"{head}.b2"])
    kernels = _multiply(reshape(rows, [-1, features]), tensors[f"{head}.w1"], tensors[f"{head}.b1"])
    kernels = reshape(kernels, [-1, len(blocks), maps, maps, 3, 3])
    parts = opset13.split(kernels, make_integers(1), len(blocks))
    return [reshape(parts.output(number), [-1, maps, maps, 3, 3]) for number in range(len(blocks))]


def _emit_separable(x: Node, tensors: Arrays, blocks: list[KernelBlock]) -> list[Node]:
    """Emit kernels that are outer products of two vectors, mixed once for all instead of for each product.

    W_out (c r' W_in' + 1 b_in') + b_out 1' = (W_out c) (W_in r)' + (W_out 1) b_in' + b_out 1'
    """
    x = _convolve_side_by_side(x, tensors, blocks)
    parts = opset13.split(x, make_integers(1), len(blocks))
    kernels = []
    for number, block in enumerate(blocks):
        out, inner = block.sizes
        emit = f"{block.name}.output.0"
        outer, mixing = tensors[f"{emit}.kernel_linear_out.weight"], tensors[f"{emit}.kernel_linear_in.weight"]
        column = _emit_vector(parts.output(number), tensors, f"{emit}.make_kernel_out", outer)
        row = _emit_vector(parts.output(number), tensors, f"{emit}.make_kernel_in", mixing)
        constant = np.outer(outer.sum(axis=1), tensors[f"{emit}.kernel_linear_in.bias"])
        constant = (constant + tensors[f"{emit}.kernel_linear_out.bias"][:, None])[None, :, :, None]
        product = opset13.multiply(reshape(column, [-1, out, 1, _TAPS]), reshape(row, [-1, 1, inner, _TAPS]))
        kernels.append(reshape(opset13.add(product, make_constant(constant)), [-1, out, inner, 3, 3]))
    return kernels


def _emit_vector(x: Node, tensors: Arrays, name: str, mixing: Floats) -> Node:
    """Emit a vector for each tap and mix it, both at once: (n, features, 1, 1) -> (n, size·taps, 1, 1)."""
    size = len(mixing)
    weight = tensors[f"{name}.weight"].reshape(_TAPS, size, -1)
    kernel = np.tensordot(mixing, weight, axes=([1], [1])).reshape(size * _TAPS, -1, 1, 1)
    bias = np.tensordot(mixing, tensors[f"{name}.bias"].reshape(_TAPS, size), axes=([1], [1])).reshape(-1)
    return convolve_with_bias(x, kernel, bias)


def _emit_plain(x: Node, tensors: Arrays, blocks: list[KernelBlock]) -> list[Node]:
    x = opset13.reduce_mean(_convolve_side_by_side(x, tensors, blocks), make_integers([2, 3]), keep_dims=True)
    parts = opset13.split(x, make_integers(1), len(blocks))
    taps = make_constant(np.ones((1, 1, 1, 3, 3)))
    kernels = []
    for number, block in enumerate(blocks):
        weight, bias = (tensors[f"{block.name}.output.{part}"] for part in ("weight", "bias"))
        numbers = convolve_with_bias(parts.output(number), weight, bias)
        kernels.append(opset13.multiply(reshape(numbers, [-1, *block.sizes, 1, 1]), taps))
    return kernels


def _multiply(x: Node, matrix: Floats, bias: Floats) -> Node:
    return opset13.add(opset13.matmul(x, make_constant(matrix), False, False), make_constant(bias[None]))
