"""Scores of aligned faces that need no trained reader: is a face found, how sharp it is, how unlike the others.

All of them are cheap beside the rendering of the faces, and mean the same for every generator.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import Final

import cv2
import dlib
import numpy as np
import numpy.typing as npt

from faces.images import Pixels
from faces.measures.distances import Features

_SEARCHED_SIDE: Final = 104
_SEARCHED_PX: Final = 84
_SEARCHED_TOP: Final = 18
"""The face of an aligned picture of 104 px fills a square of about 80 px, the smallest that dlib finds; 18 px below the
upper border begins the square in which it lies."""

_FACE: Final = (5 / 16, 7 / 8, 1 / 4, 3 / 4)
"""Top, bottom, left and right of the eyes, nose and mouth of an aligned picture, as shares of its side."""

_LOG_LUMA: Final = np.log(np.arange(256, dtype=np.float32) + 8)
"""Logarithm of grey levels; black noise counts little."""

_EMBEDDED_CELLS: Final = 8
_ROWS_AT_ONCE: Final = 1024

Embeddings = npt.NDArray[np.uint8]


def find_faces(images: Pixels) -> Features:
    """Return the confidence (n,) of dlib's frontal detector in the face of aligned pictures uint8 (n, h, h, 3).

    It is 0 where no face is found; faces of the shipped generators reach about 1.5. The detector looks where an aligned
    face is, at one size, so that it takes half a millisecond.
    """
    detector, lock = _load_detector()
    left = (_SEARCHED_SIDE - _SEARCHED_PX) // 2
    found = np.zeros(len(images))
    for place, image in enumerate(images):
        how = cv2.INTER_AREA if len(image) >= _SEARCHED_SIDE else cv2.INTER_LINEAR
        grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (_SEARCHED_SIDE, _SEARCHED_SIDE), interpolation=how)
        searched = grey[_SEARCHED_TOP : _SEARCHED_TOP + _SEARCHED_PX, left : left + _SEARCHED_PX]
        with lock:
            _, scores, _ = detector.run(np.ascontiguousarray(searched), 0, 0.0)
        found[place] = max(scores, default=0.0)
    return found


@cache
def _load_detector() -> tuple[dlib.fhog_object_detector, threading.Lock]:
    """Return a detector, which takes a second to make, and the lock under which it is used."""
    return dlib.get_frontal_face_detector(), threading.Lock()


def measure_fine_detail(images: Pixels) -> Features:
    """Return the sharpness (n,) of aligned faces uint8 (n, h, h, 3): fine detail relative to coarser detail.

    It is the standard deviation of the Laplacian over the root mean square of the gradient, of the logarithm of the
    luma on the face. Blur lowers it. Light, contrast and the colour of the skin cancel, which differences of grey
    levels measure with the sharpness: those of dark skin are half as large.
    """
    side = images.shape[1]
    top, bottom, left, right = (round(side * share) for share in _FACE)
    found = np.empty(len(images))
    for place, image in enumerate(images):
        face = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
        luma = _LOG_LUMA[face]
        down, across = np.diff(luma, axis=0), np.diff(luma, axis=1)
        slope = np.sqrt(np.mean(down**2) + np.mean(across**2))
        found[place] = cv2.Laplacian(luma, cv2.CV_32F)[1:-1, 1:-1].std() / max(slope, 1e-6)
    return found


def embed_faces(images: Pixels) -> Embeddings:
    """Return the colours (n, 192) of the inner three quarters of aligned pictures uint8 (n, h, h, 3), as 8 x 8 means.

    Distances between them tell copies and near copies from other faces; a change of the background counts little.
    """
    edge = images.shape[1] // 8
    inner = images[:, edge : images.shape[1] - edge, edge : images.shape[2] - edge]
    size = (_EMBEDDED_CELLS, _EMBEDDED_CELLS)
    small = [cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA) for image in inner]
    return np.asarray(small, dtype=np.uint8).reshape(len(images), -1)


def measure_distances(embeddings: Embeddings, others: Embeddings) -> npt.NDArray[np.float32]:
    """Return the root mean square differences (n, m) of embeddings (n, d) and (m, d), in grey levels from 0 to 255."""
    a, b = embeddings.astype(np.float32), others.astype(np.float32)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * a @ b.T  # whole numbers, almost all exact
    return np.asarray(np.sqrt(np.maximum(squares, 0) / a.shape[1]), dtype=np.float32)


def measure_novelty(embeddings: Embeddings, persons: Sequence[str]) -> list[float | None]:
    """Return the distance of each face to the nearest one of another person of the set; None if there is nobody else.

    Args:
        embeddings: (n, d) of `embed_faces`.
        persons: name of the person of each face. Faces of one person, at several ages, are meant to be alike.
    """
    numbers = np.unique(list(persons), return_inverse=True)[1]
    nearest: list[float | None] = []
    for start in range(0, len(embeddings), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        distances = measure_distances(embeddings[rows], embeddings)
        distances[numbers[rows, None] == numbers[None]] = np.inf
        nearest += [float(value) if np.isfinite(value) else None for value in distances.min(axis=1)]
    return nearest
