"""Picture of an answer: the aligned face with the distances that spoke for the syndrome or against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from faces.align import align
from faces.detect import FaceDetector
from faces.images import Pixels
from recognition.syndromes.features.shape import locate_eyes

Line = tuple[tuple[float, float], tuple[float, float]]

SIDE_PX: Final = 512
_FOR: Final = (230, 97, 1)  # orange and blue, which colour-blind people tell apart
_AGAINST: Final = (33, 102, 172)
_LEGEND: Final = (("speaks for the syndrome", _FOR), ("speaks against it", _AGAINST))
_NOTICE: Final = "Research use, no diagnosis"


@dataclass(frozen=True)
class AlignedFace:
    """Aligned face of a photograph.

    Attributes:
        image: (side, side, 3) uint8.
        eyes: (2, 2) centres of both eyes in pixels.
    """

    image: Pixels
    eyes: npt.NDArray[np.float64]

    @classmethod
    def find(cls, image: Pixels) -> Self:
        """Find the largest face of a photograph.

        Raises:
            ImageError: there is no face, or it is too small.
        """
        landmarks = FaceDetector().find_in_photograph(image).landmarks
        aligned = align(image, landmarks, SIDE_PX)
        return cls(aligned.image, locate_eyes(aligned.to_aligned(landmarks)))

    def place_line(self, points: npt.NDArray[np.floating[Any]]) -> Line:
        """Place two points (2, 3) of the block "points" in the picture, as if the face looked straight ahead.

        Returns:
            (x, y) of both in shares of the side.
        """
        across = self.eyes[1] - self.eyes[0]
        down = np.array([-across[1], across[0]])
        placed = self.eyes.mean(axis=0) + points[:, :1] * across + points[:, 1:2] * down
        (first, second) = (placed + 0.5) / len(self.image)
        return (float(first[0]), float(first[1])), (float(second[0]), float(second[1]))

    def draw(self, lines: Sequence[tuple[Line, float]]) -> Pixels:
        """Draw lines over the grey face, each the wider the larger its weight."""
        from PIL import Image, ImageDraw

        grey = Image.fromarray(self.image).convert("L").convert("RGB")
        canvas = ImageDraw.Draw(grey)
        side = len(self.image)
        largest = max((abs(weight) for _, weight in lines), default=1.0)
        for line, weight in reversed(lines):
            ends = [(x * side, y * side) for x, y in line]
            width = max(1, round(5 * abs(weight) / largest))
            canvas.line(ends, fill=_FOR if weight > 0 else _AGAINST, width=width)
        for row, (text, colour) in enumerate(_LEGEND if lines else ()):
            canvas.text((8, side - 48 + 14 * row), text, fill=colour, stroke_width=2, stroke_fill="white")
        canvas.text((8, side - 20), _NOTICE, fill="black", stroke_width=2, stroke_fill="white")
        return np.asarray(grey)
