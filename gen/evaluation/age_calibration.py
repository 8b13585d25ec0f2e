"""Calibrated steps of age progressions: where between the youngest and the oldest age a face is read as of each group.

The published progression takes equal steps between two embeddings. What lies between them need not age evenly: faces
can look old from the middle on. Calibration renders people along the way, lets a reader tell their ages, and places
the step of each age group where most people are read as of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from faces.image_set_request import ImageSetRequest
from faces.images import Pixels
from faces.labels import AgeGroup
from gen.imagesets import expand, list_equal_steps, mix_ages
from gen.inference.generator import InferenceGenerator
from gen.labels import Vocabulary
from gen.sampler import Sampler

ReadAges: TypeAlias = Callable[[Pixels], npt.NDArray[np.floating]]
"""Ages in years (n,) of faces uint8 (n, h, h, 3); NaN where none can be read."""

POINTS: Final = 33
"""Places between the youngest and the oldest age at which people are rendered."""

CALIBRATION_SEED: Final = 5_100_000
"""Seed of the people that steps are placed by; others measure how well the steps are read."""

TEST_SEED: Final = 9_100_000


@dataclass(frozen=True)
class AgeCalibration:
    """Calibrated steps, and how they are read on people whom they were not placed by.

    Args:
        steps: by condition, the weight of the oldest age for each age group.
        published: by condition, share of the images of equal steps that are read as of their group.
        calibrated: the same of the calibrated steps.
    """

    steps: Mapping[str, tuple[float, ...]]
    published: Mapping[str, float]
    calibrated: Mapping[str, float]


def calibrate_ages(
    generator: InferenceGenerator,
    read_ages: ReadAges,
    *,
    people: int = 48,
    on_progress: Callable[[int], None] = lambda images: None,
) -> AgeCalibration:
    """Place the steps of age progressions of each condition.

    Args:
        generator: with a vocabulary of two age groups or more.
        read_ages: reads the faces.
        people: rendered for each condition, as many again to measure with.
        on_progress: called with the number of images rendered since the last call, of `count_images`.

    Raises:
        ConfigError: a generator without labels, or with one age group alone.
    """
    vocabulary = generator.config.vocabulary
    if vocabulary is None or len(vocabulary.ages) < 2:
        raise ConfigError("the generator knows fewer than two age groups; expected a conditional one with ages")
    course = _AgeCourse(Sampler(generator), vocabulary, read_ages, people, on_progress)
    groups, grid, equal = vocabulary.ages, np.linspace(0, 1, POINTS), list_equal_steps(len(vocabulary.ages))
    steps, published, calibrated = {}, {}, {}
    for condition in vocabulary.conditions:
        placed = place_steps(grid, course.read(condition, CALIBRATION_SEED, grid.tolist()), groups)
        steps[condition] = tuple(round(float(place), 4) for place in placed)
        published[condition] = share_read_as_group(course.read(condition, TEST_SEED, equal), groups)
        calibrated[condition] = share_read_as_group(course.read(condition, TEST_SEED, steps[condition]), groups)
    return AgeCalibration(steps, published, calibrated)


@dataclass(frozen=True)
class _AgeCourse:
    """People of a generator between the youngest and the oldest age, and their ages as read; see `calibrate_ages`."""

    sampler: Sampler
    vocabulary: Vocabulary
    read_ages: ReadAges
    people: int
    on_progress: Callable[[int], None]

    def read(self, condition: str, seed: int, places: Sequence[float]) -> npt.NDArray[np.floating]:
        """Read the ages (people, places) of the people of a seed."""
        names = self.vocabulary.age_names
        request = ImageSetRequest("age_progression", (condition,), names[:1], count=self.people, seed=seed)
        rows, ages = expand(request, self.vocabulary, {}), []
        for place in places:
            c = tuple(self.vocabulary.encode_weights(condition, mix_ages(names, place)))
            ages.append(self.read_ages(self.sampler.render([replace(row, c=c) for row in rows], request)))
            self.on_progress(self.people)
        return np.stack(ages, axis=1)


def count_images(generator: InferenceGenerator, people: int) -> int:
    """Return the number of images that `calibrate_ages` renders."""
    vocabulary = generator.config.vocabulary
    return 0 if vocabulary is None else len(vocabulary.conditions) * people * (POINTS + 2 * len(vocabulary.ages))


def place_steps(
    grid: npt.NDArray[np.floating], ages: npt.NDArray[np.floating], groups: Sequence[AgeGroup]
) -> npt.NDArray[np.floating]:
    """Choose rising places of a grid (k,), one for each age group, that most people are read as of the group at.

    Args:
        grid: ascending.
        ages: (people, k) as read at each place; NaN is of no group.
        groups: in the order of their ages.
    """
    within = np.stack([(ages >= g.from_years) & (ages < g.to_years) for g in groups])  # (groups, people, k)
    # Neighbouring places are read together, so that no step rests on the chance of one place.
    share = _smooth(within.mean(axis=1))
    best = np.full(share.shape, -np.inf)
    previous = np.zeros(share.shape, int)
    best[0] = share[0]
    for group in range(1, len(groups)):
        for place in range(group, len(grid)):
            previous[group, place] = int(best[group - 1, :place].argmax())
            best[group, place] = best[group - 1, previous[group, place]] + share[group, place]
    chosen = [int(best[-1].argmax())]
    for group in range(len(groups) - 1, 0, -1):
        chosen.append(int(previous[group, chosen[-1]]))
    return grid[chosen[::-1]]


def share_read_as_group(ages: npt.NDArray[np.floating], groups: Sequence[AgeGroup]) -> float:
    """Return the share of ages (people, groups) that lie within their group."""
    bounds = np.array([(group.from_years, group.to_years) for group in groups])
    return float(((ages >= bounds[:, 0]) & (ages < bounds[:, 1])).mean())


def _smooth(shares: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    padded = np.pad(shares, ((0, 0), (1, 1)), mode="edge")
    smooth: npt.NDArray[np.floating] = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return smooth
