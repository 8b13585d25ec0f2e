"""Convolutions of residual networks in OpenVINO graphs, with the normalisation after them folded in."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from openvino import Node, opset13

from gen.inference.graph import Arrays
from gen.inference.operations import convolve, make_constant

Floats: TypeAlias = npt.NDArray[np.float32]

_EPSILON: Final = 1e-5
"""Added to the variances of batch normalisation."""


def find_scale_and_shift(tensors: Arrays, norm: str) -> tuple[Floats, Floats]:
    """Return (scale, shift) of a batch normalisation, both (c,)."""
    scale = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + np.float32(_EPSILON))
    return scale, tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * scale


def fold_norm(tensors: Arrays, convolution: str, norm: str) -> tuple[Floats, Floats]:
    """Return kernel and bias of a convolution without bias and the batch normalisation after it."""
    scale, shift = find_scale_and_shift(tensors, norm)
    return tensors[f"{convolution}.weight"] * scale[:, None, None, None], shift


def convolve_with_bias(x: Node, kernel: Floats, bias: Floats, *, stride: int = 1) -> Node:
    """Convolve maps with a kernel (out, in, k, k), padded so that a stride of 1 keeps their side, and add a bias."""
    y = convolve(x, make_constant(kernel), stride=stride, padding=kernel.shape[2] // 2)
    return opset13.add(y, make_maps(bias))


def make_maps(values: Floats) -> Node:
    """Make a constant (1, c, 1, 1) of values (c,)."""
    return make_constant(values.reshape(1, -1, 1, 1))
