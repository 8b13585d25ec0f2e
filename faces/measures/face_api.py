"""Networks of face-api (`@vladmandic/face-api`, MIT), read from their files and run by OpenVINO: expressions and ages.

A network is a file of tensors one after the other beside a manifest of their names, shapes and quantisation. Faces are
aligned pictures as `faces.align` makes them; the networks see a square around the face, see `crop_faces`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from openvino import Model, Node, opset13

from core.errors import ConfigError
from core.hardware import load_openvino_core
from faces.images import Pixels

Arrays: TypeAlias = Mapping[str, npt.NDArray[np.float32]]
Floats: TypeAlias = npt.NDArray[np.float32]

SIDE: Final = 112
"""Side in pixels of what the networks see."""

_CROP: Final = (20 / 128, 116 / 128, 16 / 128, 112 / 128)
"""Top, bottom, left and right of the face in an aligned picture, as shares of its side."""

_MEAN: Final = np.array([122.782, 117.001, 104.298], np.float32)
EXPRESSIONS: Final = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
"""Names of the outputs of the expression network."""

HAPPY: Final = EXPRESSIONS.index("happy")

_PART: Final = 16
"""Faces computed at a time."""


class FaceApiNetwork:
    """A network of face-api, compiled for the CPU.

    Args:
        path: file of the tensors (`face_expression_model.bin`); the manifest lies beside it.
        build: makes its outputs from its tensors and its input (n, 3, 112, 112).
        scale: by which pixels are divided after the mean was subtracted.

    Raises:
        ConfigError: a file is missing or damaged.
    """

    def __init__(self, path: Path, build: Callable[[Arrays, Node], Node], scale: float) -> None:
        tensors = read_tensors(path)
        faces = opset13.parameter([-1, 3, SIDE, SIDE], np.float32, name="faces")
        try:
            model = Model([build(tensors, faces)], [faces], path.stem)
        except KeyError as error:
            raise ConfigError(f"{path} has no tensor {error}; expected the file of that name of face-api") from None
        self._model = load_openvino_core().compile_model(model, "CPU")
        self._scale = scale

    def __call__(self, images: Pixels) -> Floats:
        """Compute the outputs (n, k) of aligned faces uint8 (n, h, h, 3)."""
        outputs = []
        for start in range(0, len(images), _PART):
            faces = crop_faces(images[start : start + _PART]).astype(np.float32)
            outputs.append(self._model([((faces - _MEAN) / self._scale).transpose(0, 3, 1, 2)])[0])
        return np.concatenate(outputs)


def load_expression_network(folder: Path) -> FaceApiNetwork:
    """Load the network that gives the probabilities (n, 7) of EXPRESSIONS; errors as `FaceApiNetwork`."""
    return FaceApiNetwork(folder / "face_expression_model.bin", _build_expression_network, 255.0)


def load_expression_features(folder: Path) -> FaceApiNetwork:
    """Load the last hidden layer (n, 256) of the expression network; errors as `FaceApiNetwork`."""
    return FaceApiNetwork(folder / "face_expression_model.bin", _build_expression_features, 255.0)


def load_age_network(folder: Path) -> FaceApiNetwork:
    """Load the network that gives ages (n, 1) in years; errors as `FaceApiNetwork`."""
    return FaceApiNetwork(folder / "age_gender_model.bin", _build_age_network, 256.0)


def crop_faces(images: Pixels) -> Pixels:
    """Cut the square of the face out of aligned pictures (n, h, h, 3), reduced or enlarged to 112 pixels."""
    top, bottom, left, right = (round(share * images.shape[1]) for share in _CROP)
    faces = images[:, top:bottom, left:right]
    return np.stack([np.asarray(cv2.resize(face, (SIDE, SIDE), interpolation=cv2.INTER_AREA)) for face in faces])


def read_tensors(path: Path) -> dict[str, Floats]:
    """Read the tensors of a network's file by name, dequantised.

    Raises:
        ConfigError: the file or its manifest is missing or damaged.
    """
    manifest = path.with_name(f"{path.stem}-weights_manifest.json")
    try:
        entries = [entry for group in json.loads(manifest.read_text()) for entry in group["weights"]]
        data = path.read_bytes()
        tensors, start = {}, 0
        for entry in entries:
            quantization = entry.get("quantization")
            kind = np.dtype(quantization["dtype"] if quantization else entry["dtype"])
            count = int(np.prod(entry["shape"]))
            values = np.frombuffer(data, kind, count, start).astype(np.float32)
            if quantization:
                values = values * np.float32(quantization["scale"]) + np.float32(quantization["min"])
            tensors[entry["name"]] = values.reshape(entry["shape"])
            start += count * kind.itemsize
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} and its manifest {manifest.name} cannot be read ({error}); expected a network of face-api"
        ) from None
    if start != len(data):
        raise ConfigError(f"{path} has {len(data)} bytes; expected {start}, as its manifest says: copy it again")
    return tensors


def _build_expression_network(tensors: Arrays, faces: Node) -> Node:
    return opset13.softmax(_connect(_build_expression_features(tensors, faces), tensors, "fc"), 1)


def _build_expression_features(tensors: Arrays, faces: Node) -> Node:
    """Build four dense blocks and the mean over pixels."""
    x = faces
    for block in range(4):
        name = f"dense{block}"
        # The first block begins with a full convolution, the others with a separable one.
        begin = _convolve if block == 0 else _convolve_separably
        first = opset13.relu(begin(x, tensors, f"{name}/conv0", 2))
        second = _convolve_separably(first, tensors, f"{name}/conv1")
        total = opset13.add(first, second)
        third = _convolve_separably(opset13.relu(total), tensors, f"{name}/conv2")
        total = opset13.add(total, third)
        fourth = _convolve_separably(opset13.relu(total), tensors, f"{name}/conv3")
        x = opset13.relu(opset13.add(total, fourth))
    return _average(x)


def _build_age_network(tensors: Arrays, faces: Node) -> Node:
    """Build a small Xception that ends in an age in years."""
    x = opset13.relu(_convolve(faces, tensors, "entry_flow/conv_in", 2))
    x = _reduce(x, tensors, "entry_flow/reduction_block_0", activate=False)
    x = _reduce(x, tensors, "entry_flow/reduction_block_1", activate=True)
    for block in range(2):
        y = x
        for number in range(3):
            y = _convolve_separably(opset13.relu(y), tensors, f"middle_flow/main_block_{block}/separable_conv{number}")
        x = opset13.add(y, x)
    x = _reduce(x, tensors, "exit_flow/reduction_block", activate=True)
    x = opset13.relu(_convolve_separably(x, tensors, "exit_flow/separable_conv"))
    return _connect(_average(x), tensors, "fc/age")


def _reduce(x: Node, tensors: Arrays, name: str, *, activate: bool) -> Node:
    y = opset13.relu(x) if activate else x
    y = _convolve_separably(y, tensors, f"{name}/separable_conv0")
    y = _convolve_separably(opset13.relu(y), tensors, f"{name}/separable_conv1")
    y = opset13.max_pool(y, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3], auto_pad="same_upper").output(0)
    return opset13.add(y, _convolve(x, tensors, f"{name}/expansion_conv", 2))


def _convolve(x: Any, tensors: Arrays, name: str, stride: int = 1) -> Node:
    kernel = opset13.constant(np.ascontiguousarray(tensors[f"{name}/filters"].transpose(3, 2, 0, 1)))
    y = opset13.convolution(x, kernel, [stride, stride], [0, 0], [0, 0], [1, 1], auto_pad="same_upper")
    return opset13.add(y, _constant_of_maps(tensors[f"{name}/bias"]))


def _convolve_separably(x: Any, tensors: Arrays, name: str, stride: int = 1) -> Node:
    depthwise = tensors[f"{name}/depthwise_filter"].transpose(2, 3, 0, 1)[:, :, None]
    pointwise = tensors[f"{name}/pointwise_filter"].transpose(3, 2, 0, 1)
    y = opset13.group_convolution(
        x,
        opset13.constant(np.ascontiguousarray(depthwise)),
        [stride, stride],
        [0, 0],
        [0, 0],
        [1, 1],
        auto_pad="same_upper",
    )
    y = opset13.convolution(y, opset13.constant(np.ascontiguousarray(pointwise)), [1, 1], [0, 0], [0, 0], [1, 1])
    return opset13.add(y, _constant_of_maps(tensors[f"{name}/bias"]))


def _connect(x: Node, tensors: Arrays, name: str) -> Node:
    y = opset13.matmul(x, opset13.constant(tensors[f"{name}/weights"]), False, False)
    return opset13.add(y, opset13.constant(tensors[f"{name}/bias"][None]))


def _average(x: Node) -> Node:
    return opset13.reduce_mean(x, opset13.constant(np.array([2, 3], np.int64)), False)


def _constant_of_maps(values: Floats) -> Node:
    return opset13.constant(values[None, :, None, None])
