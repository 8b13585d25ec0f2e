"""Request for an image set: its fields, their defaults, their checks, and the published counts.

The service, its schema, the command line and the classifiers all use this one definition. It needs no PyTorch, so that
commands that only ask for images start fast.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any, Final, Literal, Protocol, Self, TypeAlias, get_args

from core.errors import RequestError
from core.precision import Precision, PrecisionChoice
from faces.labels import UNAFFECTED

Kind: TypeAlias = Literal["unrelated", "age_related", "age_progression", "blended", "average"]
"""Kind of an image set: one of four that Duong et al. 2022 define, or the mean face of a label."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

TRAINING_KINDS: Final[tuple[Kind, ...]] = tuple(kind for kind in KINDS if kind != "average")
"""Kinds that classifiers are trained on."""

Noise: TypeAlias = Literal["const", "none", "random"]
"""Image noise: the stored one, none, or drawn from the seed of each image."""

AgeSteps: TypeAlias = Literal["published", "calibrated"]
"""Steps of an age progression: equal ones between the youngest and the oldest age, as published, or one for each age
group, where the generator's faces are read as of that group."""

SeedsByLabel: TypeAlias = Mapping[str, Sequence[int] | Mapping[str, Sequence[int]]]
"""Seeds of the persons of each condition; in `unrelated` and `blended`, of the images of each condition and age."""

MINIMA: Final = ("min_condition", "min_age", "min_face", "min_sharpness", "min_novelty")
"""Fields that refuse images: the name of each is `min_` and that of a score of the manifest."""

Counts: TypeAlias = Mapping[str, Mapping[str, int]]
"""Number of training images by condition and age group."""

DEFAULT_TRUNCATION: Final = 0.6
DEFAULT_BLEND: Final = 0.55
DEFAULT_PRECISION: Final[Precision] = "float32"
LARGEST_SEED: Final = 2**63 - 1
OLDEST_YEARS: Final = 120
"""Oldest age that can be asked for."""


class KnownLabels(Protocol):
    """Names of the conditions and age groups that a generator knows; `gen.labels.Vocabulary` is one."""

    @property
    def conditions(self) -> tuple[str, ...]: ...

    @property
    def age_names(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class ImageSetRequest:
    """Request for an image set. None takes the default that is named below.

    Args:
        kind: one of KINDS.
        conditions: None for all but `unaffected`, if there are others.
        ages: age groups; None for all. A progression keeps the steps that stand for them.
        count: persons per condition; in `unrelated` and `blended`, images per condition (pair) and age. None follows
            the training data: the mean over ages of the condition's images, and for blends that mean shared out
            over the partners, rounded up.
        seeds: instead of `count`: a seed for each person, the same persons in every condition; in `unrelated` and
            `blended`, seeds are dealt over conditions and ages in order, each with its own.
        seed: the seeds that `count` stands for are hashes of this one. A larger count keeps the first persons.
        truncation: psi in [0, 1]; None is 0.6, and 1 for `average`.
        blend: weight in [0, 1] of the first condition, `blended` only; None is 0.55.
        partners: second conditions, `blended` only; None for every other one.
        noise: image noise.
        precision: of the convolutions. None is the default of whoever renders the set, float32 in this package. "auto"
            is accepted by services, which replace it by the precision that their hardware is made for.
        total_images: instead of `count`: number of images in the whole set.
        age_steps: `age_progression` only: None and "published" take equal steps, "calibrated" those that are stored
            with the weights.
        years: `age_progression` and `blended` only, instead of `ages`: ages in years, which lie between the steps that
            are stored with the weights (`gen.imagesets.place_years`).
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
    precision: PrecisionChoice | None = None
    total_images: int | None = None
    age_steps: AgeSteps | None = None
    years: tuple[float, ...] | None = None
    seeds_by_label: SeedsByLabel | None = None
    scores: bool | None = None
    classifier: str | None = None
    classifier_sha256: str | None = None
    min_condition: float | None = None
    min_age: float | None = None
    min_face: float | None = None
    min_sharpness: float | None = None
    min_novelty: float | None = None

    @property
    def minima(self) -> dict[str, float]:
        """The least score that is asked for, by the name of the score; empty if no image is refused."""
        values = {name.removeprefix("min_"): getattr(self, name) for name in MINIMA}
        return {name: float(value) for name, value in values.items() if value is not None}

    def keep(self, seeds: SeedsByLabel) -> Self:
        """Return the request for the images of these seeds alone, which is not filtered or scored again."""
        no_longer: dict[str, Any] = dict.fromkeys(
            ("count", "total_images", "seeds", "scores", "classifier", "classifier_sha256", *MINIMA)
        )
        return replace(self, **no_longer, seed=0, seeds_by_label=seeds)

    @property
    def psi(self) -> float:
        """The truncation, or its default."""
        if self.truncation is not None:
            return float(self.truncation)
        return 1.0 if self.kind == "average" else DEFAULT_TRUNCATION

    @property
    def arithmetic(self) -> Precision:
        """The precision, or its default.

        Raises:
            RequestError: the precision is "auto", which depends on the hardware, or unknown.
        """
        precision = DEFAULT_PRECISION if self.precision is None else self.precision
        if precision == "auto" or precision not in get_args(Precision):
            raise RequestError("precision", f"{precision!r}; expected one of {', '.join(get_args(Precision))}")
        return precision

    def to_json(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, JSON-able."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, default) in values.items()
            if value != default
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the request with these fields, in the form that `to_json` returns and callers send."""
        fields_given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**fields_given)

    def resolve(self, labels: KnownLabels, counts: Counts, weights_sha256: str) -> dict[str, Any]:
        """Return the request with every default written out, JSON-able. An image set is cited by this form.

        Raises:
            RequestError: a field is not valid; the error holds its value and the accepted ones.
        """
        request = self.with_defaults(labels)
        settled = {name: value for name, value in asdict(request).items() if value is not None}
        if request.seeds is not None or request.seeds_by_label is not None:
            del settled["seed"]
        elif request.count is None:
            settled["counts"] = {c: request.count_persons(c, labels, counts) for c in request.conditions or ()}
        return {"version": 1, **json.loads(json.dumps(settled)), "weights_sha256": weights_sha256}

    def with_defaults(self, labels: KnownLabels) -> Self:
        """Check the request and return it with all fields but the count filled in; `total_images` becomes the count.

        Raises:
            RequestError: see `resolve`.
        """
        _check(self)
        if self.conditions is None and self.seeds_by_label is not None:
            conditions = _check_names("seeds_by_label", [*self.seeds_by_label], labels.conditions)
        elif self.conditions is None:
            conditions = tuple(c for c in labels.conditions if c != UNAFFECTED) or labels.conditions
        else:
            conditions = _check_names("conditions", self.conditions, labels.conditions)
        request = replace(self, conditions=conditions, truncation=self.psi, precision=self.arithmetic)
        request = replace(request, scores=True if self.scores or self.minima else None)
        if self.years is not None:
            request = replace(request, years=tuple(map(float, self.years)))
        else:
            ages = labels.age_names if self.ages is None else _check_names("ages", self.ages, labels.age_names)
            request = replace(request, ages=ages)
        if self.age_steps == "published":  # a request that names the default is the same request
            request = replace(request, age_steps=None)
        if self.kind == "average":
            request = replace(request, count=1)
        if self.kind == "blended":
            partners = self.partners
            request = replace(
                request,
                blend=DEFAULT_BLEND if self.blend is None else float(self.blend),
                partners=labels.conditions
                if partners is None
                else _check_names("partners", partners, labels.conditions),
            )
            if not all(request.list_partners(condition) for condition in conditions):
                raise RequestError("partners", f"{list(conditions)} with {partners}: a blend needs two conditions")
        if self.seeds_by_label is not None:
            _check_seeds_by_label(request, self.seeds_by_label)
        if self.total_images is not None:
            request = replace(request, count=_count_for(self.total_images, request), total_images=None)
        return request

    def list_partners(self, condition: str) -> tuple[str, ...]:
        """List the second conditions that a condition is blended with."""
        return tuple(partner for partner in self.partners or () if partner != condition)

    def count_persons(self, condition: str, labels: KnownLabels, counts: Counts) -> int:
        """Return the number of persons of a condition (images per age in `unrelated`, per age and partner in
        `blended`).

        Raises:
            RequestError: the count follows the training counts, and the weights store none for the condition.
        """
        if self.count is not None:
            return self.count
        trained = sum(counts.get(condition, {}).get(age, 0) for age in labels.age_names)  # of known age
        if not trained:
            raise RequestError(
                "count", f"null, and the weights store no training counts of {condition}: give count or seeds"
            )
        return published_count(self.kind, trained, ages=len(labels.age_names), conditions=len(labels.conditions))

    def count_images(self, labels: KnownLabels, counts: Counts) -> int:
        """Return the number of images of the set, without making its rows.

        Raises:
            RequestError: see `resolve`.
        """
        request = self.with_defaults(labels)
        if request.kind == "unrelated" and request.seeds:
            return len(request.seeds)
        if request.seeds_by_label is not None:
            return sum(
                len(seeds)
                * (1 if age is not None else len(request.years or request.ages or ()))
                * (len(request.list_partners(condition)) if request.kind == "blended" else 1)
                for condition, age, seeds in list_seeds(request.seeds_by_label)
            )
        return sum(
            (len(request.seeds or ()) or request.count_persons(condition, labels, counts))
            * _images_of_one_person(request, condition)
            for condition in request.conditions or ()
        )


def published_count(kind: str, images: int, *, ages: int, conditions: int) -> int:
    """Return the number of persons of a condition by the rule of Duong et al. 2022.

    The count is the mean over the age groups of the condition's training images, rounded. A blend is made with every
    other condition, so that this mean is shared out among them and rounded up.

    Args:
        kind: one of KINDS.
        images: training images of the condition, of known age.
        ages: number of age groups.
        conditions: number of conditions.
    """
    mean = Fraction(images, ages)
    return math.ceil(mean / (conditions - 1)) if kind == "blended" else max(1, round(mean))


def _images_of_one_person(request: ImageSetRequest, condition: str) -> int:
    """Return how many images of a condition one more person in `count` adds to a request with defaults."""
    labels = len(request.list_partners(condition)) if request.kind == "blended" else 1
    return labels * len(request.years or request.ages or ())


def _count_for(total: int, request: ImageSetRequest) -> int:
    """Return the count that gives a set of this number of images."""
    each = sum(_images_of_one_person(request, condition) for condition in request.conditions or ())
    count, rest = divmod(total, each)
    if rest or not count:
        nearest = [str(n) for n in (count * each, (count + 1) * each) if n]
        raise RequestError(
            "total_images",
            f"{total}; every person (or image of each condition and age) adds {each} images to this set: expected a "
            f"multiple of {each}, such as {' or '.join(nearest)}",
        )
    return count


def _check_names(field: str, names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    if not names:
        raise RequestError(field, f"is empty; expected one or more of {', '.join(known)}, or null")
    for name in names:
        if name not in known:
            raise RequestError(field, f"unknown {name!r}; expected one or more of {', '.join(known)}")
    if len(set(names)) != len(names):
        raise RequestError(field, f"{list(names)} names one twice; name each only once")
    return tuple(names)


def _check(request: ImageSetRequest) -> None:
    if request.kind not in KINDS:
        raise RequestError("kind", f"{request.kind!r}; expected one of {', '.join(KINDS)}")
    for field, least in (("count", 1), ("total_images", 1), ("seed", 0)):
        if getattr(request, field) is not None:
            _check_integer(field, getattr(request, field), least, LARGEST_SEED)
    if request.total_images is not None and (request.count is not None or request.seeds is not None):
        raise RequestError("total_images", "is given with count or seeds; expected one of the three")
    _check_scores(request)
    if request.seeds is not None:
        if not request.seeds or request.count is not None:
            raise RequestError("seeds", "expected one or more seeds and no count, or a count and no seeds")
        for seed in request.seeds:
            _check_integer("seeds", seed, 0, LARGEST_SEED)
        if len(set(request.seeds)) != len(request.seeds):
            raise RequestError("seeds", "one seed is given twice; give each person or image its own")
    for field in ("truncation", "blend"):
        value = getattr(request, field)
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
            raise RequestError(field, f"{value!r}; expected a number in [0, 1], or null")
    for field in ("blend", "partners"):
        if request.kind != "blended" and getattr(request, field) is not None:
            raise RequestError(field, f"has no meaning for kind {request.kind!r}; leave it out or ask for 'blended'")
    if request.age_steps is not None and request.age_steps not in get_args(AgeSteps):
        raise RequestError("age_steps", f"{request.age_steps!r}; expected one of {', '.join(get_args(AgeSteps))}")
    if request.age_steps is not None and request.kind != "age_progression":
        raise RequestError("age_steps", f"has no meaning for kind {request.kind!r}; leave it out")
    if request.years is not None:
        _check_years(request, request.years)
    if request.kind == "average":
        for field in ("count", "seeds", "seeds_by_label", "total_images", *MINIMA):
            if getattr(request, field) is not None:
                raise RequestError(field, "has no meaning for kind 'average', one image per label; leave it out")
    if request.noise not in get_args(Noise):
        raise RequestError("noise", f"{request.noise!r}; expected one of {', '.join(get_args(Noise))}")


def list_seeds(seeds: SeedsByLabel) -> Iterator[tuple[str, str | None, Sequence[int]]]:
    """Yield condition, age and seeds of each entry; the age is None where persons are shown at all ages."""
    for condition, of_condition in seeds.items():
        if isinstance(of_condition, Mapping):
            for age, of_age in of_condition.items():
                yield condition, age, of_age
        else:
            yield condition, None, of_condition


def _check_seeds_by_label(request: ImageSetRequest, seeds: SeedsByLabel) -> None:
    """Check the seeds of a request whose conditions and ages are filled in."""
    for field in ("count", "seeds", "total_images", *MINIMA):
        if getattr(request, field) is not None:
            raise RequestError(
                field, "is given with seeds_by_label, which say the images already; leave one of them out"
            )
    by_age = request.kind in ("unrelated", "blended")
    ages = tuple(map(str, request.years or request.ages or ()))
    for condition, age, given in list_seeds(seeds):
        if condition not in (request.conditions or ()):
            raise RequestError("seeds_by_label", f"{condition!r} is not among the conditions of the request")
        if (age is not None) is not by_age or (by_age and age not in ages):
            expected = f"seeds by age ({', '.join(ages)})" if by_age else "a list of seeds"
            raise RequestError(
                "seeds_by_label", f"{condition}, {age or 'all ages'}: kind {request.kind!r} takes {expected}"
            )
        for seed in given:
            _check_integer("seeds_by_label", seed, 0, LARGEST_SEED)
        if len(set(given)) != len(given):
            raise RequestError("seeds_by_label", f"{condition}, {age or 'all ages'}: a seed is given twice")
    if not any(given for _, _, given in list_seeds(seeds)):
        raise RequestError("seeds_by_label", "has no seeds; expected one or more")


def _check_scores(request: ImageSetRequest) -> None:
    """Check the fields of scores and filters."""
    for name, value in request.minima.items():
        most = 1.0 if name in ("condition", "age") else 255.0
        if isinstance(value, bool) or not 0 <= value <= most:
            raise RequestError(f"min_{name}", f"{value:g}; expected a number in [0, {most:g}], or null")
    if request.minima and request.seeds is not None:
        raise RequestError("seeds", "name the images already, so that none can be replaced; give count, or no minimum")
    if request.classifier is not None and not (request.scores or request.minima):
        raise RequestError("classifier", "has no meaning without scores; ask for scores or a minimum, or leave it out")


def _check_years(request: ImageSetRequest, years: Sequence[float]) -> None:
    if request.kind not in ("age_progression", "blended"):
        raise RequestError("years", f"has no meaning for kind {request.kind!r}; leave it out, and give ages")
    for field in ("ages", "age_steps"):
        if getattr(request, field) is not None:
            raise RequestError(field, "is given with years, which say the ages already; leave one of them out")
    for age in years:
        if isinstance(age, bool) or not isinstance(age, int | float) or not 0 <= age <= OLDEST_YEARS:
            raise RequestError("years", f"{age!r}; expected numbers in [0, {OLDEST_YEARS}]")
    if not years or len(set(years)) != len(years):
        raise RequestError("years", f"{list(years)}; expected one or more ages, each named once")


def _check_integer(field: str, value: object, least: int, most: int) -> None:
    valid = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    if not valid:
        raise RequestError(field, f"{value!r}; expected an integer from {least} to {most}")
