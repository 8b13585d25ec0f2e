"""Masks of the faces of a data set: the true ones of phantoms, and otherwise those that landmarks tell."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.errors import LabelError
from faces.datasets.dataset import Dataset
from faces.datasets.records import PHANTOMS, Record
from faces.detect import FaceDetector
from faces.images import Pixels
from faces.labels import CONDITIONS
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import Phantom, phantom
from faces.phantoms.phenotype import describe_phantom
from faces.phantoms.regions import locate_regions
from recognition.explanation.regions.masks import Masks, add_outside, masks_from_landmarks, reduce_mask

TRUE, LANDMARKS = "true regions of the phantom", "landmarks"
"""Sources of masks."""


class FaceMasks:
    """Finds the masks of the faces of a data set, those of a phantom by drawing it again.

    Args:
        dataset: its landmarks are used if it has any; otherwise they are detected.
        size: input size of the network; regions that are empty at that size are left out.
    """

    def __init__(self, dataset: Dataset, size: int) -> None:
        self._dataset, self._size = dataset, size
        self._landmarks = dataset.landmarks()
        self._detector: FaceDetector | None = None

    def find(self, row: int, pixels: Pixels) -> tuple[Masks, str]:
        """Find the masks of a face, one for everything outside the regions included, and their source.

        Raises:
            NoFaceError: landmarks are needed, and no face is detected.
        """
        side = len(pixels)
        of = find_phantom(self._dataset.record(row), pixels)
        masks = masks_from_landmarks(self._locate(row, pixels), side) if of is None else locate_regions(of, side)
        visible = {region: mask for region, mask in add_outside(masks).items() if reduce_mask(mask, self._size).any()}
        return visible, LANDMARKS if of is None else TRUE

    def _locate(self, row: int, pixels: Pixels) -> np.ndarray:
        if self._landmarks is not None:
            return np.asarray(self._landmarks[row], dtype=np.float64)
        self._detector = self._detector or FaceDetector()
        landmarks: np.ndarray = self._detector.largest(pixels).landmarks
        return landmarks


def find_phantom(record: Record, pixels: Pixels) -> Phantom | None:
    """Find the phantom of a record; None if there is none that is drawn to exactly these pixels."""
    for of in _list_candidates(record):
        if np.array_equal(draw_phantom(of, len(pixels)).image, pixels):
            return of
    return None


def _list_candidates(record: Record) -> Iterator[Phantom]:
    person, age, smile = record.person or "", record.age_years, record.expression
    if record.source != PHANTOMS or record.condition is None or age is None or smile is None:
        return
    try:
        identity = int(person.removeprefix("phantom-"), 16)
        if record.condition in CONDITIONS:
            yield phantom(record.condition, age, smile, identity)
        yield describe_phantom(record.present, age, smile, identity, record.condition)
    except (ValueError, LabelError):  # a table that was edited
        return
