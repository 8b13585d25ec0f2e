"""People of an audit: those of the training data, and others of the same source whom the generator has never seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DatasetError
from core.seen_images import KEY_DIGITS, SeenImages
from faces.datasets.dataset import Dataset
from gen.evaluation.real_images import ImageSubset, select_all, split_by_exclusion
from gen.labels import Vocabulary
from gen.training.data import Exclusion

LEAST_SHARE: Final = 0.5
"""Least share of the pictures of a data set that the checkpoint must list, to be its training data."""

LEAST_FALSE_POSITIVES: Final = 10
"""False positives that are expected among the unseen people; half of them are left where one half fits an attack."""

OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class AuditedPeople:
    """Pictures of an audit, from two data sets.

    Attributes:
        trained: all pictures of the training data that the checkpoint lists.
        persons: (n,) name of the person on each of these.
        members: one picture of each of some of these persons.
        unseen: one picture of each of some unseen people.
        not_listed: pictures of the training data that the checkpoint does not list, and that are left out.
        covered: share of the images that the checkpoint lists which the training data hold.
    """

    trained: ImageSubset
    persons: tuple[str, ...]
    members: ImageSubset
    unseen: ImageSubset
    not_listed: int
    covered: float


def count_needed(false_positives: float) -> int:
    """Return the number of unseen people that a rate of false positives needs."""
    return math.ceil(LEAST_FALSE_POSITIVES / false_positives - 1e-9)


def choose_people(
    data: Dataset,
    others: Dataset,
    seen: SeenImages,
    vocabulary: Vocabulary,
    *,
    count: int,
    false_positives: float,
    seed: int,
    exclusion: Exclusion | None = None,
    on_progress: OnProgress = lambda done: None,
) -> AuditedPeople:
    """Choose at most `count` members and unseen people at random, one picture of each.

    Args:
        data: the training data.
        others: unseen people of the same source.
        seen: images that the checkpoint lists.
        false_positives: the smallest rate of false positives that is to be measured.
        exclusion: pictures of the training data that the training left out; None for none.
        on_progress: called with the number of pictures read since the last call.

    Raises:
        ConfigError: the checkpoint lists no images, its vocabulary is another one, or the exclusion covers no picture.
        DatasetError: the training data are not the checkpoint's, the pictures differ in size, unseen people are in the
            training data, or they are too few for the rate.
    """
    _check_alike(data, others, vocabulary)
    if not seen.keys:
        raise ConfigError(
            "the checkpoint does not list the images that it was trained on; expected one that does: write the list "
            "with `gestaltgen weights import --trained-on`"
        )
    used = (select_all(data) if exclusion is None else split_by_exclusion(data, exclusion)[0]).places
    keys = _read_keys(data, on_progress)
    listed = np.array([keys[place] in seen.keys for place in used])
    if listed.mean() < LEAST_SHARE:
        raise DatasetError(
            f"{data.path}: the checkpoint lists {listed.sum()} of {len(used)} pictures ({listed.mean():.0%}) as its "
            f"training images; expected {LEAST_SHARE:.0%} or more: give its own data"
        )
    _refuse_seen(others, _read_keys(others, on_progress), seen.keys | set(keys), _name_persons(data))
    trained = used[listed]
    persons = _name_persons(data)
    members = _draw_persons([persons[place] for place in trained], count, seed)
    unseen = _draw_persons(_name_persons(others), count, seed)
    if len(unseen) < (needed := count_needed(false_positives)):
        raise DatasetError(
            f"{len(unseen)} unseen people for a rate of {false_positives:g} false positives; expected {needed} or "
            f"more: give more people in {others.path.name}, raise --people, or ask for a larger --false-positives"
        )
    return AuditedPeople(
        ImageSubset(data, trained),
        tuple(persons[place] for place in trained),
        ImageSubset(data, trained[members]),
        ImageSubset(others, unseen),
        len(used) - len(trained),
        len({keys[place] for place in trained}) / len(seen.keys),
    )


def _check_alike(data: Dataset, others: Dataset, vocabulary: Vocabulary) -> None:
    for one in (data, others):
        if (one.conditions, one.ages) != (vocabulary.conditions, vocabulary.ages):
            raise ConfigError(
                f"{one.path} is labelled with {', '.join(one.conditions)} and {', '.join(a.name for a in one.ages)}, "
                f"the generator with {', '.join(vocabulary.conditions)} and {', '.join(vocabulary.age_names)}; "
                "expected the same"
            )
    if data.size != others.size:
        raise DatasetError(
            f"{data.path} is of {data.size} px and {others.path} of {others.size} px; expected the same: a difference "
            "in sharpness would be taken for a leak"
        )


def _read_keys(data: Dataset, on_progress: OnProgress) -> list[str]:
    keys = []
    for index in range(len(data)):
        keys.append(data.key(index)[:KEY_DIGITS])
        on_progress(1)
    return keys


def _refuse_seen(others: Dataset, keys: list[str], seen: Iterable[str], persons: Iterable[str]) -> None:
    images = sum(key in seen for key in keys)
    known = {record.person for record in others.records if record.person is not None} & set(persons)
    if images or known:
        raise DatasetError(
            f"{others.path}: {images} of {len(keys)} pictures are training images of the checkpoint, and {len(known)} "
            "persons have the name of a person of the training data; expected people whom it has never seen: leave "
            "these out"
        )


def _name_persons(data: Dataset) -> list[str]:
    """Name the person on each picture; a picture without a name is a person of its own."""
    return [record.person or f"picture {record.file}" for record in data.records]


def _draw_persons(persons: list[str], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw one place of each of at most `count` persons, at random; in rising order."""
    first: dict[str, int] = {}
    for place in np.random.default_rng(seed).permutation(len(persons)):
        first.setdefault(persons[place], int(place))
    return np.sort(np.array([*first.values()][:count], dtype=np.int64))
