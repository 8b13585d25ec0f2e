"""Image sets: what may be asked for, and the rows that a request expands to.

Four kinds follow Duong et al. 2022; `average` stands beside them. Each kind is one function from a request to rows.
A row says everything about its image, so that it gives the same image in any batch, process and order.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Final, get_args

from core.errors import RequestError
from faces.labels import UNAFFECTED
from gen.checkpoint import Counts
from gen.labels import Vocabulary
from gen.layers import Noise
from gen.precision import DTYPES, Precision

KINDS: Final = ("unrelated", "age_related", "age_progression", "blended", "average")

DEFAULT_TRUNCATION: Final = 0.6
DEFAULT_BLEND: Final = 0.55
LARGEST_SEED: Final = 2**63 - 1


@dataclass(frozen=True)
class ImageSetRequest:
    """An image set, as asked for. None takes the default that is named.

    Args:
        kind: one of KINDS.
        conditions: None for every one but `unaffected`, where there is another.
        ages: age groups; None for all. A progression keeps the steps that stand for them.
        count: persons per condition; in `unrelated` and `blended`, images per condition (pair) and age. None follows
            the training data: the mean over ages of the condition's images, and for blends that mean shared out
            over the partners, rounded up.
        seeds: instead of `count`: a seed for each person, the same persons in every condition; in `unrelated` and
            `blended`, seeds are dealt over conditions and ages in order, each with its own.
        seed: where the seeds of `count` come from. More of the same keeps the first.
        truncation: psi in [0, 1]; None is 0.6, and 1 for `average`.
        blend: weight in [0, 1] of the first condition, `blended` only; None is 0.55.
        partners: second conditions, `blended` only; None for every other one.
        noise: image noise: the stored one, none, or drawn from the image's seed.
        precision: of the convolutions.
    """

    kind: str
    conditions: tuple[str, ...] | None = None
    ages: tuple[str, ...] | None = None
    count: int | None = None
    seeds: tuple[int, ...] | None = None
    seed: int = 0
    truncation: float | None = None
    blend: float | None = None
    partners: tuple[str, ...] | None = None
    noise: Noise = "const"
    precision: Precision = "float32"

    @property
    def psi(self) -> float:
        """The truncation, or its default."""
        if self.truncation is not None:
            return float(self.truncation)
        return 1.0 if self.kind == "average" else DEFAULT_TRUNCATION

    def resolved(self, vocabulary: Vocabulary, counts: Counts, weights_sha256: str) -> dict[str, Any]:
        """The request with every default spelt out, JSON-able: what an image set is cited by.

        Raises:
            RequestError: a field that cannot be, with its value and what is accepted.
        """
        request = self.with_defaults(vocabulary)
        settled = {name: value for name, value in asdict(request).items() if value is not None}
        if request.seeds is not None:
            del settled["seed"]
        elif request.count is None:
            settled["counts"] = {c: request.count_of(c, vocabulary, counts) for c in request.conditions or ()}
        return {"version": 1, **json.loads(json.dumps(settled)), "weights_sha256": weights_sha256}

    def with_defaults(self, vocabulary: Vocabulary) -> ImageSetRequest:
        """The same request, checked, with all but the count filled in.

        Raises:
            RequestError: see `resolved`.
        """
        _check(self)
        if self.conditions is None:
            conditions = tuple(c for c in vocabulary.conditions if c != UNAFFECTED) or vocabulary.conditions
        else:
            conditions = _names("conditions", self.conditions, vocabulary.conditions)
        ages = vocabulary.age_names if self.ages is None else _names("ages", self.ages, vocabulary.age_names)
        request = replace(self, conditions=conditions, ages=ages, truncation=self.psi)
        if self.kind == "average":
            request = replace(request, count=1)
        if self.kind == "blended":
            partners = self.partners
            request = replace(
                request,
                blend=DEFAULT_BLEND if self.blend is None else float(self.blend),
                partners=vocabulary.conditions
                if partners is None
                else _names("partners", partners, vocabulary.conditions),
            )
            if not all(_partners(request, condition) for condition in conditions):
                raise RequestError("partners", f"{list(conditions)} with {partners}: a blend needs two conditions")
        return request

    def count_of(self, condition: str, vocabulary: Vocabulary, counts: Counts) -> int:
        """Persons of a condition (images per age in `unrelated`, per age and partner in `blended`).

        Raises:
            RequestError: left to the training counts, and the weights store none for the condition.
        """
        if self.count is not None:
            return self.count
        trained = sum(counts.get(condition, {}).get(age, 0) for age in vocabulary.age_names)  # of known age
        if not trained:
            raise RequestError(
                "count", f"null, and the weights store no training counts of {condition}: give count or seeds"
            )
        mean = Fraction(trained, len(vocabulary.ages))
        if self.kind == "blended":
            return math.ceil(mean / (len(vocabulary.conditions) - 1))
        return max(1, round(mean))


@dataclass(frozen=True)
class Row:
    """One image to make, with its label.

    Args:
        index: place in the set, from 0.
        person: same for images that share a random vector, and only for those.
        seed: draws the random vector, and the image noise where that is asked for.
        c: the label that the generator gets.
        condition: the first condition.
        age_group: label for training.
        step: of a progression, from 0; None elsewhere.
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
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]


def expand(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> list[Row]:
    """The rows of an image set, in order.

    Raises:
        RequestError: a field that cannot be, with its value and what is accepted.
    """
    request = request.with_defaults(vocabulary)
    images = _EXPANSIONS[request.kind](request, vocabulary, counts)
    rows = []
    for index, image in enumerate(images):
        c = vocabulary.encode(image.conditions, image.ages).tolist()
        rows.append(
            Row(
                index=index,
                person="average" if request.kind == "average" else f"{image.seed:016x}",
                seed=image.seed,
                c=tuple(c),
                condition=next(iter(image.conditions)),
                age_group=image.age_group,
                step=image.step,
                soft_label=tuple(image.conditions.get(name, 0.0) for name in vocabulary.conditions),
            )
        )
    return rows


def set_id(resolved: Mapping[str, Any]) -> str:
    """The name of an image set: 32 hex digits of the SHA-256 of its resolved request as canonical JSON."""
    canonical = json.dumps(resolved, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class _Image:
    seed: int
    conditions: Mapping[str, float]
    ages: Mapping[str, float]
    age_group: str
    step: int | None = None


def _unrelated(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> Iterator[_Image]:
    """(1) One random vector per image."""
    for (condition, age), seeds in _seeds_by_cell(request, vocabulary, counts).items():
        for seed in seeds:
            yield _Image(seed, {condition: 1.0}, {age: 1.0}, age)


def _age_related(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> Iterator[_Image]:
    """(2) One random vector per person, over the age embeddings."""
    for condition, seed in _persons(request, vocabulary, counts):
        for age in request.ages or ():
            yield _Image(seed, {condition: 1.0}, {age: 1.0}, age)


def _age_progression(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> Iterator[_Image]:
    """(3) One random vector per person, over equal steps from the youngest age embedding to the oldest."""
    names = vocabulary.age_names
    youngest, oldest = names[0], names[-1]
    for condition, seed in _persons(request, vocabulary, counts):
        for step, age in enumerate(names):
            if age in (request.ages or ()):
                t = step / max(1, len(names) - 1)
                ages = {youngest: 1 - t, oldest: t} if len(names) > 1 else {youngest: 1.0}
                yield _Image(seed, {condition: 1.0}, ages, age, step)


def _blended(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> Iterator[_Image]:
    """(4) One random vector per person and age, the same for every partner."""
    weight = request.blend or 0.0
    seeds = _seeds_by_cell(request, vocabulary, counts)
    for condition in request.conditions or ():
        for partner in _partners(request, condition):
            for age in request.ages or ():
                for seed in seeds[condition, age]:
                    yield _Image(seed, {condition: weight, partner: 1 - weight}, {age: 1.0}, age)


def _average(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> Iterator[_Image]:
    """The mean latent of each label."""
    for condition in request.conditions or ():
        for age in request.ages or ():
            yield _Image(request.seed, {condition: 1.0}, {age: 1.0}, age)


_EXPANSIONS: Final[Mapping[str, Callable[[ImageSetRequest, Vocabulary, Counts], Iterator[_Image]]]] = {
    "unrelated": _unrelated,
    "age_related": _age_related,
    "age_progression": _age_progression,
    "blended": _blended,
    "average": _average,
}


def _seeds_by_cell(
    request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts
) -> dict[tuple[str, str], Sequence[int]]:
    """Seeds of each pair of condition and age: hashed, or those given, dealt in order."""
    cells = [(condition, age) for condition in request.conditions or () for age in request.ages or ()]
    given = request.seeds
    if given is None:
        return {
            (condition, age): _seeds(request.seed, request.count_of(condition, vocabulary, counts), condition, age)
            for condition, age in cells
        }
    if len(given) % len(cells):
        raise RequestError(
            "seeds",
            f"{len(given)} seeds for {len(cells)} pairs of condition and age; "
            f"expected a multiple of {len(cells)}, since each pair has seeds of its own",
        )
    each = len(given) // len(cells)
    return {cell: given[number * each :][:each] for number, cell in enumerate(cells)}


def _persons(request: ImageSetRequest, vocabulary: Vocabulary, counts: Counts) -> Iterator[tuple[str, int]]:
    for condition in request.conditions or ():
        seeds = request.seeds
        if seeds is None:
            seeds = _seeds(request.seed, request.count_of(condition, vocabulary, counts), condition)
        for seed in seeds:
            yield condition, seed


def _partners(request: ImageSetRequest, condition: str) -> tuple[str, ...]:
    return tuple(partner for partner in request.partners or () if partner != condition)


def _seeds(seed: int, count: int, *names: str) -> tuple[int, ...]:
    """Seeds of the first `count` persons of a condition: a hash, so that neighbouring seeds share nobody."""

    def person(number: int) -> int:
        digest = hashlib.sha256(json.dumps([seed, *names, number]).encode()).digest()
        return int.from_bytes(digest[:8], "big") & LARGEST_SEED

    return tuple(person(number) for number in range(count))


def _names(field: str, names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise RequestError(field, f"is empty; expected one or more of {', '.join(known)}, or null")
    for name in names:
        if name not in known:
            raise RequestError(field, f"unknown {name!r}; expected one or more of {', '.join(known)}")
    if len(set(names)) != len(names):
        raise RequestError(field, f"{list(names)} names one twice; name each once")
    return tuple(names)


def _check(request: ImageSetRequest) -> None:
    if request.kind not in KINDS:
        raise RequestError("kind", f"{request.kind!r}; expected one of {', '.join(KINDS)}")
    for field, least, most in (("count", 1, LARGEST_SEED), ("seed", 0, LARGEST_SEED)):
        _check_integer(field, getattr(request, field), least, most)
    if request.seeds is not None:
        if not request.seeds or request.count is not None:
            raise RequestError("seeds", "expected one or more seeds and no count, or a count and no seeds")
        for seed in request.seeds:
            _check_integer("seeds", seed, 0, LARGEST_SEED)
        if len(set(request.seeds)) != len(request.seeds):
            raise RequestError("seeds", "a seed stands twice; give each person or image its own")
    for field in ("truncation", "blend"):
        value = getattr(request, field)
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
            raise RequestError(field, f"{value!r}; expected a number in [0, 1], or null")
    for field in ("blend", "partners"):
        if request.kind != "blended" and getattr(request, field) is not None:
            raise RequestError(field, f"has no meaning for kind {request.kind!r}; leave it out or ask for 'blended'")
    if request.kind == "average" and (request.count is not None or request.seeds is not None):
        field = "seeds" if request.count is None else "count"
        raise RequestError(field, "has no meaning for kind 'average', one image per label; leave it out")
    if request.noise not in get_args(Noise):
        raise RequestError("noise", f"{request.noise!r}; expected one of {', '.join(get_args(Noise))}")
    if request.precision not in DTYPES:
        raise RequestError("precision", f"{request.precision!r}; expected one of {', '.join(DTYPES)}")


def _check_integer(field: str, value: object, least: int, most: int) -> None:
    valid = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    if value is not None and not valid:
        raise RequestError(field, f"{value!r}; expected an integer from {least} to {most}")
