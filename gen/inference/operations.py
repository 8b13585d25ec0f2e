"""Operations of OpenVINO graphs, in the forms that our networks use."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from openvino import Node, opset13

LOW_PASS: Final = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64
"""The low-pass filter of resampling."""

FLOAT32_PREFIX: Final = "float32."
"""Beginning of the names of operations that stay in float32 whatever the precision of the model."""


def convolve(x: Any, kernel: Node, *, stride: int = 1, padding: int = 0) -> Node:
    """Convolve maps (n, in, h, w) with a kernel (out, in, k, k)."""
    return opset13.convolution(x, kernel, [stride] * 2, [padding] * 2, [padding] * 2, [1, 1])


def convolve_groups(x: Any, kernel: Node, *, stride: int = 1, padding: int = 0) -> Node:
    """Convolve groups of maps (n, g·in, h, w) with kernels (g, out, in, k, k)."""
    return opset13.group_convolution(x, kernel, [stride] * 2, [padding] * 2, [padding] * 2, [1, 1])


def keep_float32(node: Node) -> Node:
    """Mark an operation that must not lose precision."""
    node.set_friendly_name(FLOAT32_PREFIX + node.get_friendly_name())
    return node


def reshape(x: Any, shape: list[int]) -> Node:
    return opset13.reshape(x, make_integers(shape), special_zero=False)


def make_constant(values: npt.ArrayLike) -> Node:
    """Make a float32 constant."""
    return opset13.constant(np.ascontiguousarray(values, dtype=np.float32))


def make_integers(values: npt.ArrayLike) -> Node:
    """Make a constant of integers, for shapes and axes."""
    return opset13.constant(np.asarray(values, dtype=np.int64))


def make_input(name: str, shape: list[int]) -> Node:
    """Make a float32 input of this name; -1 stands for a size that is known when the model runs."""
    node = opset13.parameter(shape, np.float32, name=name)
    node.output(0).get_tensor().set_names({name})
    return node


def name_output(node: Node, name: str) -> Node:
    """Name the output of a model."""
    result = opset13.result(node)
    result.output(0).get_tensor().set_names({name})
    return result
