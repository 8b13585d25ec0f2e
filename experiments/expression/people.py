"""Persons of the experiment and their smiles: correlated with the condition in the training faces, or balanced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from experiments.expression.views import PLANTED_SET, TEST_SET
from faces.labels import AGE_GROUPS, CONDITIONS
from faces.phantoms.person import Phantom, phantom
from faces.phantoms.phantom_dataset import age_within

PLANTED: Final[Mapping[str, float]] = {"WS": 0.95, "22q11DS": 0.5, "other": 0.2, "unaffected": 0.2}
"""Share of each condition that smiles: nearly all of one, half of another, few of the rest; a smile suggests WS."""

BALANCED: Final[Mapping[str, float]] = dict.fromkeys(CONDITIONS, 0.5)
"""Share of each condition that smiles: the smile says nothing about the condition."""

TRAIN_SEED: Final = 9201
TEST_SEED: Final = 9202


@dataclass(frozen=True)
class Scale:
    """Size of the experiment.

    Attributes:
        persons: number of training persons of each condition.
        test_persons: number of test persons of each condition.
        epochs: epochs of every classifier.
        images_per_epoch: images in an epoch, the same in every arm, so that the arms differ in their images alone.
    """

    persons: int = 120
    test_persons: int = 60
    epochs: int = 60
    images_per_epoch: int = 400

    @property
    def sent(self) -> Mapping[str, int]:
        """Number of faces of each data set that the service edits; those of the test set come first."""
        return {TEST_SET: len(CONDITIONS) * self.test_persons, PLANTED_SET: len(CONDITIONS) * self.persons}


FULL: Final = Scale()
QUICK: Final = Scale(persons=10, test_persons=5, epochs=3, images_per_epoch=80)


def draw_people(smiling: Mapping[str, float], count: int, seed: int) -> list[Phantom]:
    """Draw persons of each condition, age groups in turn; some smile (0.75 to 1), the others do not (0 to 0.25).

    Persons and ages follow from the seed alone: other shares are the same persons with other expressions.

    Args:
        smiling: share of each condition that smiles; it is met exactly, up to rounding.
        count: persons of each condition.
        seed: seed of persons and ages.
    """
    drawn = []
    for number, (condition, share) in enumerate(smiling.items()):
        rng = np.random.default_rng([seed, number])
        order = rng.permutation(count)
        for index in range(count):
            group = AGE_GROUPS[index % len(AGE_GROUPS)]
            age_years = age_within(group, rng)
            below = round(rng.uniform() / 4, 3)
            smile = 1 - below if order[index] < round(share * count) else below
            drawn.append(phantom(condition, age_years, smile, (seed << 32) + number * count + index))
    return drawn


def redraw_with_smile(persons: Sequence[Phantom], smile: float) -> list[Phantom]:
    """Draw the same persons with another smile, as a perfect edit would make them."""
    return [phantom(one.condition, one.age_years, smile, one.identity) for one in persons]
