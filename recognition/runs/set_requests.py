"""Requests of a run for image sets: how many faces, of which generator, for which folds."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from faces.datasets.dataset import Dataset
from faces.image_set_request import published_count
from faces.labels import UNAFFECTED
from recognition.images.service_request import ServiceSetRequest

SETS: Final = "sets"
"""Folder of a run with its image sets: NAME/, or fold-K/NAME/ for a set that a single fold learns from."""

FOLD: Final = "{fold}"
"""Placeholder in the name of a generator for the number of the fold, from 0."""

_SET: Final = "set"
_OF_FOLD: Final = re.compile(r"fold-(\d+)/")


@dataclass(frozen=True)
class SetSource:
    """Description of the image sets that a run adds to its training data: a request, or the sets of another run.

    Attributes:
        request: request as the user gave it; what it leaves open is filled in from the real data set.
        counts_from: data set whose images give the counts of the request; None takes those of the request.
        times_real: number of images of all sets of a fold over that of the real faces, which gives the counts of the
            request; None takes those of the request.
        recorded_in: folder of another run whose sets are used again; then `request` is None.
    """

    request: ServiceSetRequest | None = None
    counts_from: Path | None = None
    times_real: float | None = None
    recorded_in: Path | None = None


def count_persons(real: Path, kind: str, conditions: Sequence[str], classes: Sequence[str]) -> dict[str, int]:
    """Count the persons to ask for in each condition as the study did, from the images of a data set."""
    with Dataset.open(real) as dataset:
        counts, ages = dataset.counts(), len(dataset.ages)
    images = {name: sum(counts.get(name, {}).values()) for name in conditions}
    return {name: published_count(kind, n, ages=ages, conditions=len(classes)) for name, n in images.items() if n}


def count_persons_for_size(
    real: Path, kind: str, conditions: Sequence[str], classes: Sequence[str], times_real: float
) -> dict[str, int]:
    """Count the persons to ask for in each condition so that a set is a multiple of the real faces in size.

    The conditions have the shares that they have among the real faces. Each of them has one person or more, and counts
    are rounded, so the size is nearly that multiple.

    Args:
        real: data set of the real faces, whose age groups the set has too.
        times_real: images of the set over all real faces, more than 0.
    """
    with Dataset.open(real) as dataset:
        faces = Counter(record.condition for record in dataset.records)
        images_of_person = len(dataset.ages) * (len(classes) - 1 if kind == "blended" else 1)
    asked = {name: faces[name] for name in conditions if faces[name]}
    persons = times_real * faces.total() / images_of_person
    return {name: max(1, round(persons * n / sum(asked.values()))) for name, n in asked.items()}


def complete_request(
    request: ServiceSetRequest, classes: Sequence[str], *, left_out: bool, every_class: bool
) -> ServiceSetRequest:
    """Fill in what a request leaves open where the default of the service would not do.

    Args:
        request: request as the user gave it.
        classes: classes of the classifier.
        left_out: True if the data set's vocabulary has more conditions; only the classes are asked for then.
        every_class: ask for unaffected persons too, because nothing else is learnt from.
    """
    conditions, partners = request.conditions, request.partners
    if conditions is None and every_class:
        conditions = tuple(classes)
    elif conditions is None and left_out:
        conditions = select_affected(classes)
    if partners is None and left_out and request.kind == "blended":
        partners = tuple(classes)
    return replace(request, conditions=conditions, partners=partners)


def select_affected(classes: Sequence[str]) -> tuple[str, ...]:
    """Return all classes but the unaffected."""
    return tuple(name for name in classes if name != UNAFFECTED)


def split_request(request: ServiceSetRequest, counts: Mapping[str, int] | None) -> dict[str, ServiceSetRequest]:
    """Return the request, or one request for each condition that has a count of its own.

    Raises:
        ConfigError: no counts.
    """
    if counts is None:
        return {_SET: request}
    if not counts:
        raise ConfigError(
            "no condition that is asked for has faces in the data set of --counts-from; name another one, or --count"
        )
    return {name: replace(request, conditions=(name,), count=n) for name, n in counts.items()}


def expand_folds(requests: Mapping[str, ServiceSetRequest], folds: int) -> dict[str, ServiceSetRequest]:
    """Repeat requests whose generator is named with {fold} for each fold; the others are for all folds."""
    expanded: dict[str, ServiceSetRequest] = {}
    for name, request in requests.items():
        if request.model is None or FOLD not in request.model:
            expanded[name] = request
            continue
        for fold in range(folds):
            expanded[f"fold-{fold}/{name}"] = replace(request, model=request.model.replace(FOLD, str(fold)))
    return expanded


def parse_fold(name: str) -> int | None:
    """Return the only fold that learns from the set with a name; None if all folds do."""
    match = _OF_FOLD.match(name)
    return None if match is None else int(match[1])
