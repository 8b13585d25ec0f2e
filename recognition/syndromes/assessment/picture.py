"""Picture of an answer: the aligned face with the distances that spoke for the syndrome or against it.

A strip beneath the face names the distances, and no syndrome, because pictures are passed on. A face that gets no
answer has "No answer" there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from faces.align import align
from faces.detect import FaceDetector
from faces.images import Pixels
from recognition.syndromes.assessment.answer import AnswerReason, Line, number_lines
from recognition.syndromes.features.shape import locate_eyes

SIDE_PX: Final = 512
_FOR: Final = (230, 97, 1)  # orange and blue, which colour-blind people tell apart
_AGAINST: Final = (33, 102, 172)
_TEXT: Final = (0, 0, 0)
_ROW_PX: Final = 16
_MARGIN_PX: Final = 8


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
            (x, y) of both in shares of the side of the face.
        """
        across = self.eyes[1] - self.eyes[0]
        down = np.array([-across[1], across[0]])
        placed = self.eyes.mean(axis=0) + points[:, :1] * across + points[:, 1:2] * down
        (first, second) = (placed + 0.5) / len(self.image)
        return (float(first[0]), float(first[1])), (float(second[0]), float(second[1]))

    def draw(self, answered: bool, reasons: Sequence[AnswerReason]) -> Pixels:
        """Draw the lines of reasons over the grey face, each the wider the larger its weight, and name them beneath it.

        Args:
            answered: whether the face got an answer.
            reasons: of the answer.
        """
        from PIL import Image, ImageDraw, ImageFont

        texts = [("Research use, no diagnosis", _TEXT)]
        lines = number_lines(reasons)
        if not answered:
            texts.append(("No answer for this face", _TEXT))
        if lines:
            texts.append(("Distances that spoke most for the syndrome (orange) or against it (blue):", _TEXT))
        texts += [(f"{number} {one.name}", _colour(one)) for number, one in lines.items()]
        side = len(self.image)
        picture = Image.new("RGB", (side, side + _ROW_PX * len(texts) + 2 * _MARGIN_PX), "white")
        picture.paste(Image.fromarray(self.image).convert("L"), (0, 0))
        canvas, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
        largest = max((abs(one.weight) for one in lines.values()), default=1.0)
        for number, one in reversed(lines.items()):
            ends = np.array(one.line) * side
            width = max(1, round(5 * abs(one.weight) / largest))
            canvas.line([*map(tuple, ends.tolist())], fill=_colour(one), width=width)
            middle = tuple(ends.mean(axis=0).tolist())
            canvas.text(middle, str(number), fill=_colour(one), font=font, stroke_width=2, stroke_fill="white")
        for row, (text, colour) in enumerate(texts):
            canvas.text((_MARGIN_PX, side + _MARGIN_PX + _ROW_PX * row), text, fill=colour, font=font)
        return np.asarray(picture)


def _colour(reason: AnswerReason) -> tuple[int, int, int]:
    return _FOR if reason.weight > 0 else _AGAINST
