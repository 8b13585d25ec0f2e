"""Integrity of a face after an edit: whether it is still a sharp picture of a face, whatever smile it shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from torch import Tensor

from editing.face_readers import FaceReading
from faces.images import to_uint8
from faces.measures.sharpness import compare_sharpness

LEAST_SHARPNESS: Final = 0.6
"""Sharpness of an edited face, relative to the unedited one, below which the edit is refused."""

MOST_SHARPNESS: Final = 1.25
"""The same sharpness above which the picture has dissolved into streaks and specks."""

LEAST_SCORE: Final = 0.5
"""Score of the face detector on an edited face, relative to the unedited one, below which the edit is refused."""

MOST_IDENTITY: Final = 0.7
"""Change of the identity, in distances between people, above which an edit of a photograph shows somebody else."""

_CLEAR_SCORE: Final = 0.5
"""Score of a clear face: no edit is refused that reaches it."""


@dataclass(frozen=True)
class FaceIntegrity:
    """Condition of a face after an edit, compared with the unedited face.

    Attributes:
        sharpness: detail of the face outside the mouth, relative to the unedited face.
        identity: change of the identity, in distances between people; NaN where it cannot be read.
        scores: of the face detector before and after, NaN where it finds no face; None where no detector reads the
            faces.
    """

    sharpness: float = 1.0
    identity: float = 0.0
    scores: tuple[float, float] | None = None

    def list_objections(self) -> Iterator[str]:
        """List the reasons to refuse the edit, in words."""
        if self.sharpness < LEAST_SHARPNESS:
            yield f"the face has {self.sharpness:.0%} of its sharpness left; expected {LEAST_SHARPNESS:.0%} or more"
        if self.scores is not None and not np.isnan(self.scores[0]):
            if self.sharpness > MOST_SHARPNESS:
                yield f"the face has {self.sharpness:.0%} of its detail; expected {MOST_SHARPNESS:.0%} or less"
            before, after = self.scores
            if np.isnan(after):
                yield "no face is found any more"
            elif after < min(LEAST_SCORE * before, _CLEAR_SCORE):
                yield f"the face is found with a score of {after:.2f} instead of {before:.2f}"
            elif self.identity > MOST_IDENTITY:
                yield f"the identity moved by {self.identity:.2f} of the distance between people: it is somebody else"


def measure_integrity(
    before: Tensor, after: Tensor, was: FaceReading, became: FaceReading, identity: float
) -> FaceIntegrity:
    """Measure the integrity of one edited face (1, 3, h, h) with the readings of both pictures.

    Args:
        identity: change of the identity, in distances between people.
    """
    sharpness = compare_sharpness(to_uint8(after), to_uint8(before))
    scores = None
    if was.scores is not None and became.scores is not None:
        scores = float(was.scores[0]), float(became.scores[0])
    return FaceIntegrity(float(sharpness[0]), identity, scores)
