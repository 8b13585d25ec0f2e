"""Agreement of what is read from a photograph and from its reconstruction: landmarks, smile, identity, and judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from faces.expression import CALIBRATED
from faces.images import Pixels
from faces.measures.descriptors import DetectedFaces
from faces.measures.distances import Features
from faces.measures.judges import JudgeReading
from faces.measures.sharpness import compare_sharpness

Look: TypeAlias = Callable[[Pixels], DetectedFaces]
"""Finds and describes the faces on uint8 (n, h, h, 3), as `FaceDescriber.look`."""

ReadByJudges: TypeAlias = Callable[[Pixels], Sequence[JudgeReading]]
"""Readings of independent judges of uint8 (n, h, h, 3), as `Judges.read`."""

Values: TypeAlias = list[float | None]
"""A measure of n pairs: None where the photograph shows no face, NaN where only the photograph shows one."""

_EYES: Final = slice(36, 42), slice(42, 48)


def compare_faces(photographs: Pixels, reconstructions: Pixels, look: Look) -> dict[str, Values]:
    """Compare the faces on photographs and on their reconstructions, both uint8 (n, h, h, 3).

    - identity: cosine of the face descriptors;
    - landmarks: mean distance between the landmarks of both, in distances between the eyes;
    - smile: difference of the smiles that are read from these landmarks;
    - sharpness: detail of the reconstructed face relative to the photograph.
    """
    theirs, ours = look(photographs), look(reconstructions)
    eyes = [theirs.landmarks[:, eye].mean(axis=1) for eye in _EYES]
    moved = np.linalg.norm(theirs.landmarks - ours.landmarks, axis=2).mean(axis=1)
    scale = np.linalg.norm(theirs.descriptors, axis=1) * np.linalg.norm(ours.descriptors, axis=1)
    measures = {
        "identity": (theirs.descriptors * ours.descriptors).sum(axis=1) / scale,
        "landmarks": moved / np.linalg.norm(eyes[0] - eyes[1], axis=1),
        "smile": np.abs(CALIBRATED(theirs.landmarks) - CALIBRATED(ours.landmarks)),
    }
    sharpness = compare_sharpness(reconstructions, photographs)
    measures |= {"sharpness": np.where(np.isnan(ours.scores), np.nan, sharpness)}
    return {name: _leave_out(values, np.isnan(theirs.scores)) for name, values in measures.items()}


def compare_judgements(photographs: Pixels, reconstructions: Pixels, read: ReadByJudges) -> dict[str, Values]:
    """Compare the readings of judges of photographs and of reconstructions, both uint8 (n, h, h, 3).

    - happy: difference of the probability of a happy expression;
    - age_years: difference of the age.

    None where a judge is not installed or finds no face.
    """
    pairs = list(zip(read(photographs), read(reconstructions), strict=True))
    return {
        name: [_subtract(*(getattr(one, name) for one in pair)) for pair in pairs] for name in ("happy", "age_years")
    }


def _leave_out(values: Features, faceless: Features) -> Values:
    return [None if without else float(value) for value, without in zip(values, faceless, strict=True)]


def _subtract(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else abs(a - b)
