"""The oracle (`faces.oracle.attribute_network`), compiled for inference: it reads phantoms without PyTorch."""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
from openvino import Model, opset13

import weights
from api.models.attribute_readers import ORACLE, AttributeReading
from api.models.model import Pixels
from core import tensor_files
from core.precision import Precision
from gen.inference.engine import Engine
from gen.inference.graph import Arrays
from gen.inference.operations import keep_float32, make_constant, make_integers, name_output, reshape
from inversion.inference.folding import convolve_with_bias, find_scale_and_shift, fold_norm

_SIDE: Final = 128
_STRIDES: Final = (4, 2, 2, 1, 2)
"""Strides of the convolutions."""

_PART: Final = 8
"""Images that a core reads at a time."""


class OracleReader:
    """The oracle (`faces.oracle.attribute_network`), which reads phantoms, compiled for inference without PyTorch.

    Args:
        precision: of its convolutions.
    """

    name = ORACLE

    def __init__(self, precision: Precision) -> None:
        tensors, header = tensor_files.read_arrays(weights.oracle())
        tensors = {name: array.astype(np.float32) for name, array in tensors.items()}
        self.conditions = tuple(header["config"]["conditions"])
        self.ages = tuple(age["name"] for age in header["config"]["ages"])
        self._precision: Precision = precision
        self._engine = Engine(lambda: _build_oracle(tensors, len(self.conditions), len(self.ages)), part=_PART)

    def read(self, images: Pixels) -> AttributeReading:
        resized = np.stack([_resize_face(image, _SIDE) for image in images])
        conditions, ages = self._engine.run_all({"images": resized}, self._precision)
        return AttributeReading(conditions, ages)


@cache
def open_oracle(precision: Precision) -> OracleReader:
    """Open the oracle, once in a process."""
    return OracleReader(precision)


def _build_oracle(tensors: Arrays, conditions: int, ages: int) -> Model:
    """Build the model of the oracle: images uint8 (n, 128, 128, 3) to probabilities of conditions and of age groups."""
    images = opset13.parameter([-1, _SIDE, _SIDE, 3], np.uint8, name="images")
    images.output(0).get_tensor().set_names({"images"})
    x = opset13.transpose(opset13.convert(images, np.float32), make_integers([0, 3, 1, 2]))
    x = opset13.subtract(opset13.multiply(x, make_constant([1 / 127.5])), make_constant([1.0]))
    for number, stride in enumerate(_STRIDES):
        kernel, bias = fold_norm(tensors, f"convolutions.{3 * number}", f"convolutions.{3 * number + 1}")
        x = opset13.relu(convolve_with_bias(x, kernel, bias, stride=stride))
    scale, shift = find_scale_and_shift(tensors, "dense.3")
    dense = tensors["dense.2.weight"] * scale[:, None]
    x = reshape(x, [-1, dense.shape[1]])
    x = opset13.relu(opset13.add(opset13.matmul(x, make_constant(dense), False, True), make_constant(shift[None])))
    y = opset13.matmul(x, make_constant(tensors["heads.weight"]), False, True)
    y = keep_float32(opset13.add(y, make_constant(tensors["heads.bias"][None])))
    bins = (len(tensors["heads.bias"]) - conditions - 1 - len(tensors["identity_mean"])) // ages
    sizes = make_integers([conditions, ages * bins, len(tensors["heads.bias"]) - conditions - ages * bins])
    parts = opset13.variadic_split(y, make_integers(1), sizes)
    of_bins = reshape(opset13.softmax(parts.output(1), 1), [-1, ages, bins])
    age = opset13.reduce_sum(of_bins, make_integers([2]), keep_dims=False)
    condition = opset13.softmax(parts.output(0), 1)
    return Model([name_output(condition, "conditions"), name_output(age, "ages")], [images], "oracle")


def _resize_face(image: Pixels, side: int) -> Pixels:
    """Resize uint8 (h, h, 3) by area averaging or linear interpolation."""
    if len(image) == side:
        return image
    how = cv2.INTER_AREA if len(image) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=how), dtype=np.uint8)
