"""Persons of the experiment: scarce and unbalanced like photographs of a rare condition; the data sets share nobody."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from faces.labels import AGE_GROUPS, CONDITIONS
from faces.phantoms.person import Phantom, phantom
from faces.phantoms.phantom_dataset import age_within, write_phantoms

COUNTS: Final[Mapping[str, Sequence[int]]] = {
    "WS": (6, 28, 20, 16, 6),
    "22q11DS": (8, 40, 30, 16, 6),
    "other": (10, 50, 40, 28, 10),
    "unaffected": (12, 70, 60, 40, 18),
}
"""Numbers of training photographs by condition and age group: few infants and older adults, many children."""

BALANCED: Final[Mapping[str, Sequence[int]]] = dict.fromkeys(CONDITIONS, (100,) * len(AGE_GROUPS))
"""Numbers of the test set: rare groups are measured as precisely as common ones."""

MORE: Final[Mapping[str, Sequence[int]]] = {name: (40,) * len(AGE_GROUPS) for name in COUNTS if name != "unaffected"}
"""Numbers of further real photographs: the upper bound of what synthetic ones can add."""

UNAFFECTED: Final[Mapping[str, Sequence[int]]] = {"unaffected": (1600,) * len(AGE_GROUPS)}
"""Numbers of the training set of the first generator, in place of the study's FFHQ and FairFace."""

_SHARE_SEEN_TWICE: Final = 0.25


def draw_people(counts: Mapping[str, Sequence[int]], seed: int, *, twice: bool = False) -> Iterator[Phantom]:
    """Draw phantoms by condition and age group; another seed gives other people.

    Args:
        counts: by condition, one number for each age group.
        seed: seed of the persons.
        twice: every fourth picture is a second one of the person before, with another smile, at most two years older.
    """
    rng = np.random.default_rng(seed)
    number = 0
    for condition, by_age in counts.items():
        for group, count in zip(AGE_GROUPS, by_age, strict=True):
            last: Phantom | None = None
            for _ in range(count):
                age = age_within(group, rng)
                smile = round(rng.uniform(), 3)
                again = twice and last is not None and rng.uniform() < _SHARE_SEEN_TWICE
                if again and last is not None:
                    oldest = min(last.age_years + 2, math.nextafter(group.to_years, 0))
                    drawn = phantom(condition, rng.uniform(last.age_years, oldest), smile, last.identity)
                else:
                    drawn = phantom(condition, age, smile, (seed << 32) + number)
                    number += 1
                yield drawn
                last = None if again else drawn


def write_dataset(
    path: Path, counts: Mapping[str, Sequence[int]], seed: int, *, size: int, twice: bool = False, workers: int = 2
) -> None:
    """Draw a data set and write it; a file that exists is complete."""
    write_phantoms(path, list(draw_people(counts, seed, twice=twice)), size=size, workers=workers)
