"""Which image sets a run of classifiers asks a service for: how many faces, of which generator, for which folds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from faces.datasets.dataset import Dataset
from faces.labels import UNAFFECTED
from recognition.images.pulled_sets import SetRequest

SETS: Final = "sets"
"""Folder of a run with its image sets: NAME/, or fold-K/NAME/ for one that a single fold learns from."""

FOLD: Final = "{fold}"
"""Stands in the name of a generator for the number of the fold, from 0."""

_SET: Final = "set"
_OF_FOLD: Final = re.compile(r"fold-(\d+)/")


@dataclass(frozen=True)
class SetSource:
    """Description of the image sets that a run adds to its training data: a request, or the sets of another run.

    Attributes:
        request: request for each fold and condition; what it leaves open is completed from the real data set.
        counts_from: data set whose images give the counts of the request; None takes those of the request.
        recorded_in: folder of another run whose sets are used again; then `request` is None.
    """

    request: SetRequest | None = None
    counts_from: Path | None = None
    recorded_in: Path | None = None


def count_persons(real: Path, kind: str, conditions: Sequence[str], classes: Sequence[str]) -> dict[str, int]:
    """Persons to ask for per condition, as the study counted them, from a data set's own counts."""
    with Dataset.open(real) as dataset:
        counts, ages = dataset.counts(), len(dataset.ages)
    images = {name: sum(counts.get(name, {}).values()) for name in conditions}
    return {name: count_of(n, ages, kind, len(classes)) for name, n in images.items() if n}


def count_of(images: int, ages: int, kind: str, classes: int) -> int:
    """Persons to ask for of a condition with so many images, as the study counted them.

    The mean over the age groups; for blends, which are made with every other condition, that mean shared out among
    them, rounded up.
    """
    mean = images / ages
    return math.ceil(mean / (classes - 1)) if kind == "blended" else max(1, round(mean))


def complete_request(request: SetRequest, classes: Sequence[str], *, left_out: bool, every_class: bool) -> SetRequest:
    """A request of what its options leave open, where the service's default would not do.

    Args:
        classes: of the classifier.
        left_out: the data set's vocabulary has more; a generator of the same one is asked for these alone.
        every_class: also for the unaffected, as nothing else is learnt from.
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
    """All but the unaffected."""
    return tuple(name for name in classes if name != UNAFFECTED)


def split_request(request: SetRequest, counts: Mapping[str, int] | None) -> dict[str, SetRequest]:
    """The request, or one for each condition that has a count of its own.

    Raises:
        ConfigError: counts of nothing.
    """
    if counts is None:
        return {_SET: request}
    if not counts:
        raise ConfigError(
            "no condition that is asked for has faces in the data set of --counts-from; name another one, or --count"
        )
    return {name: replace(request, conditions=(name,), count=n) for name, n in counts.items()}


def expand_folds(requests: Mapping[str, SetRequest], folds: int) -> dict[str, SetRequest]:
    """Requests whose generator is named with {fold}, once for each fold; the others as they are, for all folds."""
    found: dict[str, SetRequest] = {}
    for name, request in requests.items():
        if request.model is None or FOLD not in request.model:
            found[name] = request
            continue
        for fold in range(folds):
            found[f"fold-{fold}/{name}"] = replace(request, model=request.model.replace(FOLD, str(fold)))
    return found


def parse_fold(name: str) -> int | None:
    """The only fold that learns from the set of a name; None where all do."""
    found = _OF_FOLD.match(name)
    return None if found is None else int(found[1])
