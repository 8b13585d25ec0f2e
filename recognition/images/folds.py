"""Folds of cross-validation: every person is in one fold, and conditions and age groups are spread evenly over all."""

from __future__ import annotations

import warnings
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.atomic_files import write_file
from core.errors import ConfigError, DatasetError
from recognition.images.samples import Samples

Indices: TypeAlias = npt.NDArray[np.int64]

_TRIES: Final = 32


def split_into_folds(samples: Samples, count: int = 5, seed: int = 0) -> list[tuple[Indices, Indices]]:
    """Split faces into a training and a validation part for each fold; every face is in one validation part.

    All faces of a person are on one side. Pairs of condition and age group are spread as evenly as that allows; each
    part has every class.

    Args:
        samples: faces with hard labels.
        count: number of folds, 2 or more.
        seed: seed of the split.

    Returns:
        for each fold the indices of its training and of its validation part, both rising.

    Raises:
        ConfigError: fewer than two folds.
        DatasetError: a class has persons for fewer folds than asked for, or a label is blended.
    """
    if count < 2:
        raise ConfigError(f"{count} folds; expected 2 or more")
    persons: dict[str, set[str]] = defaultdict(set)
    for sample in samples.samples:
        if sample.condition is None:
            raise DatasetError(
                f"image {sample.key[:16]} has the blended label {sample.label}; folds are made of faces with one "
                "condition each: pass blended ones as extra"
            )
        persons[sample.condition].add(sample.person)
    for name in samples.classes:
        if len(persons[name]) < count:
            raise DatasetError(
                f"the class {name!r} has {len(persons[name])} persons, too few for {count} folds, each of which needs "
                f"one or more; expected {count} or more: bring more persons, ask for fewer folds, or leave it out"
            )
    groups = [sample.person for sample in samples.samples]
    conditions = np.array([samples.classes.index(str(sample.condition)) for sample in samples.samples])
    strata = [f"{sample.condition}/{sample.age_group}" for sample in samples.samples]
    # A class whose persons are all of different age groups may be lost from a fold by chance: another draw finds them.
    for attempt in range(_TRIES):
        split = _split_once(
            strata if attempt < _TRIES // 2 else conditions.tolist(), groups, count, seed * _TRIES + attempt
        )
        if all(set(conditions[part]) == set(conditions) for fold in split for part in fold):
            return split
    raise DatasetError(
        f"found no {count} folds that have every class in each, with all faces of a person on one side; expected "
        "persons with about equally many faces: ask for fewer folds, or leave faces of the most frequent persons out"
    )


def write_folds(real: Samples, name: str, out: Path, count: int, seed: int) -> dict[Path, Samples]:
    """Write the persons of each fold's validation part into a list, fold-K.txt, for `gestaltgen train --exclude`.

    Args:
        name: name of the data set, for people who read a list.

    Returns:
        the faces of each list, by its path.

    Raises:
        ConfigError: the folder holds lists of another split.
        DatasetError: see `split_into_folds`; or a person whose name cannot be written to a list.
    """
    for person in list_persons(real):
        if person != PurePosixPath(person.strip()).name or person.startswith("#"):
            raise DatasetError(
                f"the person {person!r} would be read as another name from a list; expected names without /, that do "
                "not begin with # and do not end with a blank: rename persons"
            )
    parts = {
        out / f"fold-{fold}.txt": real.subset(held)
        for fold, (_, held) in enumerate(split_into_folds(real, count, seed))
    }
    texts = {
        path: f"# {path.stem} of {name}, --folds {count} --fold-seed {seed}: persons that its generator is not shown\n"
        + "".join(f"{person}\n" for person in list_persons(faces))
        for path, faces in parts.items()
    }
    if other := [path for path in out.glob("fold-*.txt") if path.read_text("utf-8") != texts.get(path)]:
        raise ConfigError(
            f"{min(other)} is of another split; choose a new folder with --out, or delete the lists there"
        )
    for path, text in texts.items():
        write_file(path, text.encode())
    return parts


def list_persons(samples: Samples) -> list[str]:
    """List the persons who are shown, in the order of their names."""
    return sorted({sample.person for sample in samples.samples})


def _split_once(
    strata: list[str] | list[int], groups: list[str], count: int, seed: int
) -> list[tuple[Indices, Indices]]:
    from sklearn.model_selection import StratifiedGroupKFold  # takes 3 seconds, and only a new run splits

    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # few infants are no mistake
        return [
            (np.asarray(train, dtype=np.int64), np.asarray(validation, dtype=np.int64))
            for train, validation in splitter.split(np.zeros(len(groups)), _number_strata(strata, count), groups)
        ]


def _number_strata(strata: list[str] | list[int], count: int) -> npt.NDArray[np.int64]:
    """Return strata as numbers. If none has `count` members, which scikit-learn refuses, all are one stratum."""
    _, numbers, members = np.unique(np.array(strata), return_inverse=True, return_counts=True)
    return np.asarray(numbers if members.max() >= count else np.zeros_like(numbers), dtype=np.int64)
