"""A labelled data set of phantoms, balanced over conditions and age groups, whose truth is known."""

from __future__ import annotations

import csv
import io
import math
import multiprocessing
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from faces.conditions.catalogue import Condition
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.records import PHANTOMS, Record
from faces.images import Pixels, encode_png
from faces.labels import AGE_GROUPS, CONDITIONS, UNAFFECTED, AgeGroup, find_age_group
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import TRAITS, Phantom, attributes, phantom
from faces.phantoms.phenotype import describe_phantom, draw_terms, find_phenotype

TRUTH: Final = "phantoms.csv"
"""Table within the set: file, identity and every facial trait, in the units of `faces.phantoms.person.TRAITS`."""

_OLDEST_YEARS: Final = 90.0
_CHUNK: Final = 32


def nth_phantom(seed: int, index: int) -> Phantom:
    """Make the phantom number `index` of the set `seed`; every pair of the two is another person.

    Conditions and age groups take turns, so any run of 20 has each pair once; ages are uniform in their
    group (the oldest up to 90 years), smiles uniform in [0, 1].
    """
    rng = np.random.default_rng([seed, index])
    condition = CONDITIONS[index % len(CONDITIONS)]
    group = AGE_GROUPS[index // len(CONDITIONS) % len(AGE_GROUPS)]
    return phantom(condition, age_within(group, rng), round(rng.uniform(), 3), identity=(seed << 32) + index)


def nth_described_phantom(seed: int, index: int, conditions: Sequence[Condition], always: Collection[str]) -> Phantom:
    """Make the phantom number `index` of a set that is drawn from HPO terms, as `nth_phantom` does.

    Args:
        conditions: conditions that take turns; each gives a person terms by their frequency.
        always: ids of terms that every person has.
    """
    rng = np.random.default_rng([seed, index])
    condition = conditions[index % len(conditions)]
    group = AGE_GROUPS[index // len(conditions) % len(AGE_GROUPS)]
    age_years, smile = age_within(group, rng), round(rng.uniform(), 3)
    terms = draw_terms(condition.terms, rng, always)
    return describe_phantom(terms, age_years, smile, (seed << 32) + index, condition.name)


def is_phantoms(data: Dataset) -> bool:
    """Tell whether every image of a data set is a phantom, as its records say."""
    return all(record.source == PHANTOMS for record in data.records)


def fresh_phantoms(count: int, side: int, seed: int) -> Iterator[Pixels]:
    """Draw phantoms uint8 (1, side, side, 3) one by one, of every condition and age; training uses other seeds."""
    for index in range(count):
        yield draw_phantom(nth_phantom(seed, index), side).image[None]


def age_within(group: AgeGroup, rng: np.random.Generator) -> float:
    """Draw an age in years, uniform in an age group (the oldest ends at 90), rounded down to hundredths."""
    return math.floor(100 * rng.uniform(group.from_years, min(group.to_years, _OLDEST_YEARS))) / 100


def synthesise(
    path: Path | str,
    *,
    count: int,
    size: int,
    seed: int,
    conditions: Sequence[Condition] = (),
    always: Collection[str] = (),
    workers: int = 1,
    on_progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write `count` phantoms of `size` pixels as a data set (see `faces.datasets.dataset`), with landmarks and truth.

    The same arguments give the same bytes, whatever the number of worker processes.

    Args:
        path: ends in .zip for a zip, else a folder; must not exist yet.
        conditions: conditions that are drawn from their HPO terms; without any, and without `always`, the default
            four are drawn.
        always: ids of drawn HPO terms that everybody has, with whatever condition.
        on_progress: called with the number of phantoms written so far.

    Raises:
        DatasetError: the path exists, or a number is out of range.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if value < least:
            raise DatasetError(f"{name} is {value}; expected {least} or more")
    if conditions or always:
        conditions = conditions or (Condition(UNAFFECTED, "Unaffected"),)
        people = [nth_described_phantom(seed, index, conditions, always) for index in range(count)]
    else:
        people = [nth_phantom(seed, index) for index in range(count)]
    vocabulary = tuple(condition.name for condition in conditions) or CONDITIONS
    write_phantoms(path, people, size=size, conditions=vocabulary, workers=workers, on_progress=on_progress)


def write_phantoms(
    path: Path | str,
    people: Sequence[Phantom],
    *,
    size: int,
    conditions: tuple[str, ...] = CONDITIONS,
    workers: int = 1,
    on_progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write these phantoms in their order, as `synthesise` does. The same identity is the same person.

    Args:
        conditions: the vocabulary of the set.
    """
    for name, value, least in (("size", size, 8), ("workers", workers, 1)):
        if value < least:
            raise DatasetError(f"{name} is {value}; expected {least} or more")
    truth: list[list[str | float]] = []
    with DatasetWriter(path, conditions=conditions) as writer:
        for drawn in _draw_all(people, size, workers):
            of = drawn.phantom
            record = writer.add(drawn.png, _record(of), drawn.landmarks)
            traits = attributes(of)
            truth.append([record.file, str(of.identity), *(round(traits[t.name], 6) for t in TRAITS)])
            on_progress(len(writer))
        writer.add_file(TRUTH, _csv([["file", "identity", *(t.name for t in TRAITS)], *truth]).encode())


def _record(of: Phantom) -> Record:
    phenotype = find_phenotype(of)
    return Record(
        condition=of.condition,
        age_years=of.age_years,
        age_group=find_age_group(of.age_years).name,
        expression=of.smile,
        person=f"phantom-{of.identity:x}",
        sex=of.sex,
        ancestry=of.ancestry,
        present=phenotype.present,
        absent=phenotype.absent,
        source=PHANTOMS,
        licence="Apache-2.0",
    )


@dataclass(frozen=True)
class _Drawn:
    phantom: Phantom
    png: bytes
    landmarks: npt.NDArray[np.float64]


def _draw_one(of: Phantom, *, size: int) -> _Drawn:
    rendered = draw_phantom(of, size)
    return _Drawn(of, encode_png(rendered.image), rendered.landmarks)


def _draw_all(people: Sequence[Phantom], size: int, workers: int) -> Iterator[_Drawn]:
    """Draw the phantoms in their order. Processes are spawned, because forking beside OpenCV's threads may hang."""
    task = partial(_draw_one, size=size)
    if workers == 1:
        yield from map(task, people)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.map(task, people, chunksize=_CHUNK)


def _csv(rows: list[list[str | float]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
