"""Pictures of phantoms with a condition, and of the same persons with single parts as they are without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from faces.images import Pixels
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import Phantom
from faces.phantoms.regions import REGIONS, locate_regions
from recognition.explanation.regions.masks import OUTSIDE, Masks, add_outside
from recognition.explanation.truth.restoration import PARTS, list_changes, restore_parts

MASKED: Final = (*REGIONS, OUTSIDE)
"""Regions whose relevance is measured, in the order of all arrays."""

Edit = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class PhantomFace:
    """Picture of a phantom with what is known about it.

    Attributes:
        phantom: the person.
        image: uint8 (size, size, 3).
        masks: true masks of MASKED. A region that cannot be seen is empty.
        restored: picture for each of PARTS that the condition changed, with this part restored.
        unaffected: picture with all parts restored.
    """

    phantom: Phantom
    image: Pixels
    masks: Masks
    restored: dict[str, Pixels]
    unaffected: Pixels

    def measure_changes(self) -> npt.NDArray[np.float64]:
        """Measure where the condition changed the picture: (MASKED,) sum of absolute differences of pixels."""
        difference = np.abs(self.image.astype(float) - self.unaffected).sum(axis=2)
        return np.array([difference[self.masks[region]].sum() for region in MASKED])


def draw_phantom_face(of: Phantom, size: int, edit: Edit = lambda image: image) -> PhantomFace:
    """Draw a phantom and its restored versions.

    Args:
        size: side of the pictures.
        edit: applied to every picture, as one that adds a confounder.
    """
    changed = {part for part, _, _ in list_changes(of)}
    restored: dict[str, Pixels] = {
        part: edit(draw_phantom(restore_parts(of, [part]), size).image) for part in PARTS if part in changed
    }
    unaffected = edit(draw_phantom(restore_parts(of, PARTS), size).image)
    masks = add_outside(locate_regions(of, size))
    return PhantomFace(of, edit(draw_phantom(of, size).image), masks, restored, unaffected)


def draw_edges(image: Pixels) -> npt.NDArray[np.float64]:
    """Compute the strength of the edges of a picture, (h, w): a map that knows nothing of any classifier."""
    grey = image.astype(np.float64).mean(axis=2)
    edges: npt.NDArray[np.float64] = np.hypot(cv2.Sobel(grey, cv2.CV_64F, 1, 0), cv2.Sobel(grey, cv2.CV_64F, 0, 1))
    return edges
