"""Readers of attributes and identity: the oracle for phantoms, landmarks and descriptors for photographs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from faces.detect import FaceDetector
from faces.expression import CALIBRATED
from faces.images import Pixels, to_uint8
from faces.measures.descriptors import DetectedFaces, FaceDescriber, find_landmarks
from faces.measures.distances import Features
from faces.oracle import attribute_network as oracle_files
from faces.oracle import landmark_network as landmark_files
from faces.oracle.attribute_network import Oracle

SMILE: Final = "smile"
AGE: Final = "age"


@dataclass(frozen=True)
class FaceReading:
    """Attributes, identities and traits that were read from n faces.

    Attributes:
        attributes: (n,) each, by name; NaN where nothing can be read. "smile" is in [0, 1], "age" in years, and each
            condition a probability.
        identity: (n, d), alike for alike people.
        traits: (n, m) more that can be seen, too inexact to measure by: shapes, light, hair, clothes, background.
        scores: (n,) of the face detector, NaN where it finds no face; None for a reader that needs none.
    """

    attributes: Mapping[str, Features]
    identity: Features
    traits: Features
    scores: Features | None = None

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> FaceReading:
        """Return the readings of some of the faces."""
        attributes = {name: values[rows] for name, values in self.attributes.items()}
        scores = None if self.scores is None else self.scores[rows]
        return FaceReading(attributes, self.identity[rows], self.traits[rows], scores)

    @staticmethod
    def cat(parts: Sequence[FaceReading]) -> FaceReading:
        """Join several readings by one reader."""
        attributes = {name: np.concatenate([part.attributes[name] for part in parts]) for name in parts[0].attributes}
        identity, traits = (np.concatenate([getattr(part, name) for part in parts]) for name in ("identity", "traits"))
        scores = [part.scores for part in parts if part.scores is not None]
        return FaceReading(attributes, identity, traits, np.concatenate(scores) if scores else None)

    @property
    def smile(self) -> Features:
        return self.attributes[SMILE]

    @property
    def measured(self) -> list[str]:
        """Names of the attributes that are measured on a scale: smile and age, where they are read."""
        return [name for name in self.attributes if name in (SMILE, AGE)]

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions whose probabilities are read."""
        return [name for name in self.attributes if name not in (SMILE, AGE)]

    @property
    def condition(self) -> list[str] | None:
        """Likeliest condition of each face; None if conditions are not read."""
        names = self.conditions
        if not names:
            return None
        best = np.argmax([self.attributes[name] for name in names], axis=0)
        return [names[place] for place in best]


def describe_surroundings(images: Tensor) -> Features:
    """Return colours and detail (n, 216) of aligned faces (n, 3, h, h) in a grid of 8 x 8 without the mouth.

    Detail is how much a cell's pixels differ from their neighbours: what a blurred face has lost.
    """
    x = images.float()
    grey = x.mean(dim=1, keepdim=True)
    detail = (
        F.pad(grey, (0, 1, 0, 0), mode="replicate").diff(dim=3).abs()
        + F.pad(grey, (0, 0, 0, 1), mode="replicate").diff(dim=2).abs()
    )
    grid = F.adaptive_avg_pool2d(torch.cat([x, detail], dim=1), _GRID).double().cpu().numpy()
    return np.asarray(grid[:, :, ~_MOUTH].reshape(len(images), -1))


_GRID: Final = 8
_MOUTH: Final = np.zeros((_GRID, _GRID), dtype=bool)
_MOUTH[4, 3:5] = _MOUTH[5:7, 2:6] = True


Reader: TypeAlias = Callable[[Tensor], FaceReading]
"""Faces (n, 3, h, h) in [-1, 1] to what they show."""

FindLandmarks: TypeAlias = Callable[[Pixels], Features]
"""Pictures uint8 (n, h, h, 3) to their landmarks (n, 68, 2) in pixels, NaN where there is no face."""


def make_phantom_reader(oracle: Oracle, steady: Sequence[int]) -> Reader:
    """Make a reader of smile, age, conditions and identity of phantoms, by the oracle.

    Args:
        steady: entries of the identity that it reads at every age; the others are traits.
    """
    others = [place for place in range(oracle.config.identity) if place not in steady]

    def read(images: Tensor) -> FaceReading:
        seen = oracle.read_pixels(to_uint8(images))
        shares = torch.softmax(seen.condition_logits, dim=1)
        attributes = {SMILE: seen.smile, AGE: seen.age_years}
        attributes |= {name: shares[:, place] for place, name in enumerate(oracle.config.conditions)}
        who = seen.identity.double().numpy()
        read_off = {name: value.double().numpy() for name, value in attributes.items()}
        return FaceReading(
            read_off, who[:, list(steady)], np.column_stack([who[:, others], describe_surroundings(images)])
        )

    return read


def make_photograph_reader(look: Callable[[Pixels], DetectedFaces]) -> Reader:
    """Make a reader of the smile of photographs, from landmarks, and of the identity, from face descriptors.

    Args:
        look: finds the faces on uint8 (n, h, h, 3), as `FaceDescriber.look`.
    """

    def read(images: Tensor) -> FaceReading:
        faces = look(to_uint8(images))
        attributes = {SMILE: CALIBRATED(faces.landmarks)}
        return FaceReading(attributes, faces.descriptors, describe_surroundings(images), faces.scores)

    return read


def make_face_reader(oracle: Path | None, describer: FaceDescriber) -> Reader:
    """Make the reader of a generator's faces: the oracle of a file, for phantoms; None reads them as photographs."""
    if oracle is None:
        return make_photograph_reader(describer.look)
    reads, info = oracle_files.load(oracle)
    return make_phantom_reader(reads, info.steady)


def make_landmark_finder(landmarks: Path | None, detector: FaceDetector) -> FindLandmarks:
    """Make the function that finds landmarks: the network of a file, for phantoms; None takes the detector."""
    return partial(find_landmarks, detector) if landmarks is None else landmark_files.load(landmarks)[0].find
