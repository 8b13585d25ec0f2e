"""Expansion of the request for an image set to rows.

Four kinds follow Duong et al. 2022; `average` stands beside them. Each kind is one function from a request to rows.
A row determines its image, which is the same in any batch, process and order.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final, Self, TypeAlias, overload

import numpy as np

from core.errors import RequestError
from faces.image_set_request import LARGEST_SEED, OLDEST_YEARS, Counts, ImageSetRequest, list_seeds
from faces.labels import AgeGroup, find_age_group
from gen.labels import Vocabulary

MOST_TRIES: Final = 20
"""Persons of a label who are drawn for each one that a filter should keep, at most."""

LEAST_TRIES: Final = 100
"""Persons of a label who may be drawn even if very few are to be kept."""

AgeStepTable: TypeAlias = Mapping[str, Sequence[float]]
"""Steps of an age progression by condition: the weight of the oldest age for each age group, the others' being that of
the youngest."""


@dataclass(frozen=True)
class Row:
    """One image to make, with its label.

    Args:
        index: place in the set, from 0.
        person: same for images that share a random vector, and only for those.
        seed: seed of the random vector, and of the image noise if it is random.
        c: label for the generator.
        condition: the first condition.
        age_group: label for training.
        step: step of a progression, from 0; None in other kinds.
        soft_label: weights over the vocabulary's conditions, for training.
    """

    index: int
    person: str
    seed: int
    c: tuple[float, ...]
    condition: str
    age_group: str
    step: int | None
    soft_label: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"c": list(self.c), "soft_label": list(self.soft_label)}


@dataclass(frozen=True)
class _HashedSeeds(Sequence[int]):
    """Seeds of the first persons of a condition; each is computed when it is read.

    They are hashed, so that neighbouring seeds of requests share no person.

    Args:
        hashed: start of a JSON list that ends with the number of the person: seed of the request and names.
        persons: number of them.
    """

    hashed: str
    persons: int

    @classmethod
    def of(cls, seed: int, persons: int, *names: str) -> Self:
        return cls(json.dumps([seed, *names]).removesuffix("]"), persons)

    def __len__(self) -> int:
        return self.persons

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> list[int]: ...
    def __getitem__(self, place: int | slice) -> int | list[int]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(self.persons))]
        digest = hashlib.sha256(f"{self.hashed}, {range(self.persons)[place]}]".encode()).digest()
        return int.from_bytes(digest[:8], "big") & LARGEST_SEED


@dataclass(frozen=True)
class _Block:
    """Consecutive images of a set: for each seed in turn, one with each label."""

    seeds: Sequence[int]
    labels: Sequence[_Label]


class Rows(Sequence[Row]):
    """Rows of an image set in order. Each is computed when it is read.

    Args:
        blocks: images in order.
        vocabulary: of the labels.
        person: name of the person of all images; None names each person by the seed.
    """

    def __init__(self, blocks: Iterable[_Block], vocabulary: Vocabulary, person: str | None = None) -> None:
        self._person = person
        self._blocks = [(block.seeds, [label.to_row(vocabulary) for label in block.labels]) for block in blocks]
        self._ends = list(accumulate(len(seeds) * len(labels) for seeds, labels in self._blocks))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and vars(self) == vars(other)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        index = range(len(self))[place]
        number = bisect_right(self._ends, index)
        seeds, labels = self._blocks[number]
        of_seed, label = divmod(index - (self._ends[number - 1] if number else 0), len(labels))
        seed = seeds[of_seed]
        person = f"{seed:016x}" if self._person is None else self._person
        return replace(labels[label], index=index, person=person, seed=seed)


def expand(
    request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts, age_steps: AgeStepTable | None = None
) -> Rows:
    """Make the rows of an image set, in order.

    Args:
        age_steps: calibrated steps of the generator, for a request that asks for them.

    Raises:
        RequestError: a field is not valid; the error holds its value and the accepted ones.
    """
    request = request.with_defaults(vocabulary)
    blocks = _EXPANSIONS[request.kind](request, vocabulary, counts, age_steps or {})
    return Rows(blocks, vocabulary, "average" if request.kind == "average" else None)


@dataclass(frozen=True)
class Draws:
    """Persons of a condition from whom a filter chooses; in `unrelated` and `blended`, images of a condition and age.

    Attributes:
        condition: of all of them.
        age: of all of them; None for persons who are shown at all ages.
        wanted: number of those to be kept.
        seeds: of each, in the order in which they are drawn; the first are those of the request without a filter.
    """

    condition: str
    age: str | None
    wanted: int
    seeds: Sequence[int]

    def select(self, request: ImageSetRequest, seeds: Sequence[int]) -> ImageSetRequest:
        """Return the request for the images of some of them alone."""
        of_label: Any = tuple(seeds) if self.age is None else {self.age: tuple(seeds)}
        return replace(request.keep({self.condition: of_label}), conditions=(self.condition,))


def list_draws(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> Iterator[Draws]:
    """Yield who can be drawn for a filtered request, in the order of the set."""
    request = request.with_defaults(vocabulary)
    by_age = request.kind in ("unrelated", "blended")
    if request.seeds is not None or request.seeds_by_label is not None:  # all of them are wanted
        persons = {(condition, None): seeds for condition, seeds in _persons(request, vocabulary, counts)}
        given = _seeds_by_cell(request, vocabulary, counts) if by_age else persons
        for (condition, age), seeds in given.items():
            yield Draws(condition, age, len(seeds), seeds)
        return
    for condition in request.conditions or ():
        wanted = request.count_persons(condition, vocabulary, counts)
        for age in map(str, request.years or request.ages or ()) if by_age else (None,):
            names = (condition,) if age is None else (condition, age)
            yield Draws(
                condition, age, wanted, _HashedSeeds.of(request.seed, max(wanted * MOST_TRIES, LEAST_TRIES), *names)
            )


def list_equal_steps(ages: int) -> list[float]:
    """Return the published steps of an age progression: the weight of the oldest of some ages at each."""
    return [step / max(1, ages - 1) for step in range(ages)]


def mix_ages(names: Sequence[str], place: float) -> dict[str, float]:
    """Mix the youngest and the oldest of ages in their order, the oldest with the weight `place`."""
    return {names[0]: 1 - place, names[-1]: place} if len(names) > 1 else {names[0]: 1.0}


def list_middle_years(groups: Sequence[AgeGroup]) -> list[float]:
    """Return the age in years that stands for each age group: its middle on the scale log(1 + years).

    A group without an upper limit ends with OLDEST_YEARS. With another end, phantoms are read as older than asked for.
    """
    ends = [OLDEST_YEARS if math.isinf(group.to_years) else group.to_years for group in groups]
    return [math.sqrt((1 + group.from_years) * (1 + end)) - 1 for group, end in zip(groups, ends, strict=True)]


def place_years(years: float, groups: Sequence[AgeGroup], steps: Sequence[float]) -> float:
    """Return the weight of the oldest age for an age in years, by interpolation between the steps of the age groups on
    the scale log(1 + years). An age before the middle of the first group, or after that of the last, takes its step."""
    return float(np.interp(math.log1p(years), np.log1p(list_middle_years(groups)), steps))


def set_id(resolved: Mapping[str, Any]) -> str:
    """Compute the name of an image set: 32 hex digits of the SHA-256 of its resolved request as canonical JSON."""
    canonical = json.dumps(resolved, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


@dataclass(frozen=True, eq=False)
class _Label:
    """Label that images of a set share."""

    conditions: Mapping[str, float]
    ages: Mapping[str, float]
    age_group: str
    step: int | None = None

    def to_row(self, vocabulary: Vocabulary) -> Row:
        """Return a row with the label, and without index, person and seed."""
        return Row(
            index=0,
            person="",
            seed=0,
            c=tuple(vocabulary.encode_weights(self.conditions, self.ages)),
            condition=next(iter(self.conditions)),
            age_group=self.age_group,
            step=self.step,
            soft_label=tuple(self.conditions.get(name, 0.0) for name in vocabulary.conditions),
        )


def _expand_unrelated(
    request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts, calibrated: AgeStepTable
) -> Iterator[_Block]:
    """Expand kind 1: one random vector per image."""
    for (condition, age), seeds in _seeds_by_cell(request, vocabulary, counts).items():
        yield _Block(seeds, [_Label({condition: 1.0}, {age: 1.0}, age)])


def _expand_age_related(
    request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts, calibrated: AgeStepTable
) -> Iterator[_Block]:
    """Expand kind 2: one random vector per person, over the age embeddings."""
    for condition, seeds in _persons(request, vocabulary, counts):
        yield _Block(seeds, [_Label({condition: 1.0}, {age: 1.0}, age) for age in request.ages or ()])


def _expand_age_progression(
    request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts, calibrated: AgeStepTable
) -> Iterator[_Block]:
    """Expand kind 3: one random vector per person, over steps from the youngest age embedding to the oldest."""
    labels = {
        condition: _list_progression(request, condition, vocabulary, calibrated)
        for condition in request.conditions or ()
    }
    for condition, seeds in _persons(request, vocabulary, counts):
        yield _Block(seeds, labels[condition])


def _list_progression(
    request: ImageSetRequest, condition: str, vocabulary: Vocabulary, calibrated: AgeStepTable
) -> list[_Label]:
    """List the labels of one person of a progression."""
    if request.years is not None:
        return [
            _label_years({condition: 1.0}, years, vocabulary, calibrated, step)
            for step, years in enumerate(request.years)
        ]
    names = vocabulary.age_names
    steps = _choose_steps(request, condition, len(names), calibrated)
    return [
        _Label({condition: 1.0}, mix_ages(names, steps[step]), age, step)
        for step, age in enumerate(names)
        if age in (request.ages or ())
    ]


def _choose_steps(request: ImageSetRequest, condition: str, ages: int, calibrated: AgeStepTable) -> Sequence[float]:
    """Return the weight of the oldest age at each step of a progression."""
    if request.age_steps != "calibrated":
        return list_equal_steps(ages)
    if condition not in calibrated:
        raise RequestError(
            "age_steps",
            f"'calibrated', and the weights store no steps for {condition}: run `gestaltgen weights calibrate-ages`, "
            "or leave it out",
        )
    return calibrated[condition]


def _label_years(
    conditions: Mapping[str, float],
    years: float,
    vocabulary: Vocabulary,
    calibrated: AgeStepTable,
    step: int | None = None,
) -> _Label:
    """Return the label of an age in years. The steps of a blend are the mix of those of its conditions; where the
    weights store none, they are equal."""
    equal = list_equal_steps(len(vocabulary.ages))
    table = np.array([calibrated.get(condition, equal) for condition in conditions])
    place = place_years(years, vocabulary.ages, np.array([*conditions.values()]) @ table)
    group = find_age_group(years, vocabulary.ages)
    return _Label(conditions, mix_ages(vocabulary.age_names, place), group.name, step)


def _expand_blended(
    request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts, calibrated: AgeStepTable
) -> Iterator[_Block]:
    """Expand kind 4: one random vector per person and age, the same for every partner."""
    weight = request.blend or 0.0
    seeds = _seeds_by_cell(request, vocabulary, counts)
    for condition in request.conditions or ():
        for partner in request.list_partners(condition):
            mix = {condition: weight, partner: 1 - weight}
            for age in request.ages or ():
                yield _Block(seeds[condition, age], [_Label(mix, {age: 1.0}, age)])
            for years in request.years or ():
                label = _label_years(mix, years, vocabulary, calibrated)
                yield _Block(seeds[condition, str(years)], [label])


def _expand_averages(
    request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts, calibrated: AgeStepTable
) -> Iterator[_Block]:
    """Expand the averages: the mean latent of each label."""
    for condition in request.conditions or ():
        for age in request.ages or ():
            yield _Block([request.seed], [_Label({condition: 1.0}, {age: 1.0}, age)])


_EXPANSIONS: Final[Mapping[str, Callable[[ImageSetRequest, Vocabulary, Counts, AgeStepTable], Iterator[_Block]]]] = {
    "unrelated": _expand_unrelated,
    "age_related": _expand_age_related,
    "age_progression": _expand_age_progression,
    "blended": _expand_blended,
    "average": _expand_averages,
}


def _seeds_by_cell(
    request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts
) -> dict[tuple[str, str], Sequence[int]]:
    """Choose the seeds of each pair of condition and age: hashed, or the given ones in order."""
    ages = list(map(str, request.years or request.ages or ()))
    cells = [(condition, age) for condition in request.conditions or () for age in ages]
    given = request.seeds
    if request.seeds_by_label is not None:
        by_label = {(condition, str(age)): seeds for condition, age, seeds in list_seeds(request.seeds_by_label)}
        return {cell: by_label.get(cell, ()) for cell in cells}
    if given is None:
        return {
            (condition, age): _HashedSeeds.of(
                request.seed, request.count_persons(condition, vocabulary, counts), condition, age
            )
            for condition, age in cells
        }
    if len(given) % len(cells):
        raise RequestError(
            "seeds",
            f"{len(given)} seeds for {len(cells)} pairs of condition and age; "
            f"expected a multiple of {len(cells)}, because each pair has its own seeds",
        )
    each = len(given) // len(cells)
    return {cell: given[number * each :][:each] for number, cell in enumerate(cells)}


def _persons(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> Iterator[tuple[str, Sequence[int]]]:
    """Yield each condition with the seeds of its persons."""
    by_label = {condition: seeds for condition, _, seeds in list_seeds(request.seeds_by_label or {})}
    for condition in request.conditions or ():
        seeds: Sequence[int] | None = request.seeds
        if request.seeds_by_label is not None:
            seeds = by_label.get(condition, ())
        elif seeds is None:
            seeds = _HashedSeeds.of(request.seed, request.count_persons(condition, vocabulary, counts), condition)
        yield condition, seeds
