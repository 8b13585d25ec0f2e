"""Predictions of a classifier for each image of a test set, with the true classes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from core.atomic_files import write_file
from core.csv_reports import protect_cell, restore_cell
from core.errors import DatasetError

_COLUMNS: Final = ("key", "person", "truth", "age_group", "undecided")
_PROBABILITY: Final = "p:"
_SUM_TOLERANCE: Final = 1e-4  # float32 softmax outputs, averaged and written with all their digits


@dataclass(frozen=True)
class Predictions:
    """Probabilities for n images over k classes. Predictions say nothing about the health of a real person.

    Attributes:
        classes: names of the k classes, in the order of the probabilities.
        keys: n different keys, `faces.images.pixels_key` of the images.
        persons: names of the persons; equal for images of the same person.
        truths: (n,) int64, indices into classes.
        age_groups: age group of each image; None if it is not known.
        probabilities: (n, k) float64, 0 to 1; rows sum to 1.
        undecided: (n,) bool; True if no fold of an ensemble reached its threshold.

    Raises:
        DatasetError: no image, lengths that differ, a duplicate key, a truth that is no class, or values that are no
            probabilities.
    """

    classes: tuple[str, ...]
    keys: tuple[str, ...]
    persons: tuple[str, ...]
    truths: npt.NDArray[np.int64]
    age_groups: tuple[str | None, ...]
    probabilities: npt.NDArray[np.float64]
    undecided: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        n, k = len(self.keys), len(self.classes)
        if n == 0 or k == 0:
            raise DatasetError(f"predictions of {n} images over {k} classes; expected at least one of each")
        lengths = {len(self.persons), len(self.truths), len(self.age_groups), len(self.undecided)}
        if lengths != {n} or self.probabilities.shape != (n, k):
            raise DatasetError(
                f"predictions have {n} keys, but other columns of {sorted(lengths)} rows and probabilities of "
                f"{self.probabilities.shape}; expected {n} rows each and probabilities of {(n, k)}"
            )
        if twice := _find_duplicate(self.classes):
            raise DatasetError(f"the class {twice!r} is there twice; expected different names")
        if twice := _find_duplicate(self.keys):
            raise DatasetError(
                f"image {twice[:16]} is in the test set twice, pixel for pixel; a measurement counts each image once: "
                "remove one of the two"
            )
        if self.truths.min() < 0 or self.truths.max() >= k:
            raise DatasetError(f"truths are {self.truths.min()} to {self.truths.max()}; expected 0 to {k - 1}")
        sums = self.probabilities.sum(axis=1)
        good = np.isfinite(self.probabilities).all(axis=1) & (self.probabilities >= 0).all(axis=1)
        good &= np.abs(sums - 1) <= _SUM_TOLERANCE
        if not good.all():
            index = int(np.argmin(good))
            raise DatasetError(
                f"probabilities of image {self.keys[index][:16]} are {self.probabilities[index].tolist()}; expected "
                "numbers from 0 to 1 that sum to 1: predict again"
            )

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def chosen(self) -> npt.NDArray[np.int64]:
        """Most probable class, (n,) int64; -1 if the image is undecided."""
        return np.where(self.undecided, -1, self.probabilities.argmax(axis=1)).astype(np.int64)

    @property
    def of_truth(self) -> npt.NDArray[np.float64]:
        """Probability of the true class, (n,)."""
        of_truth: npt.NDArray[np.float64] = self.probabilities[np.arange(len(self)), self.truths]
        return of_truth

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """True where the most probable class is the true one, (n,) bool; undecided images are not correct."""
        return np.asarray(self.chosen == self.truths, dtype=np.bool_)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Name of the true class of each image."""
        return tuple(self.classes[truth] for truth in self.truths)

    def select(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> Predictions:
        """Return the predictions for some images, in the order of their indices."""
        places = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            keys=tuple(self.keys[i] for i in places),
            persons=tuple(self.persons[i] for i in places),
            truths=self.truths[places],
            age_groups=tuple(self.age_groups[i] for i in places),
            probabilities=self.probabilities[places],
            undecided=self.undecided[places],
        )

    def save(self, path: Path | str) -> None:
        """Write a CSV, one row per image: key, person, truth, age_group, undecided and `p:CLASS` for each class.

        Numbers have all their digits, so that `load` gives the same back.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*_COLUMNS, *(_PROBABILITY + name for name in self.classes)])
        for index, key in enumerate(self.keys):
            truth = self.classes[self.truths[index]]
            known = (key, self.persons[index], truth, self.age_groups[index] or "", int(self.undecided[index]))
            writer.writerow([*map(protect_cell, known), *(repr(float(p)) for p in self.probabilities[index])])
        write_file(path, text.getvalue().encode())

    @staticmethod
    def load(path: Path | str) -> Predictions:
        """Read the file that `save` wrote.

        Raises:
            DatasetError: no such file, or another table; the message names row, column, value and remedy.
        """
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path} cannot be read ({error}); expected predictions as a CSV in UTF-8") from error
        try:
            return _parse_table(text, str(path))
        except csv.Error as error:
            raise DatasetError(f"{path} is no table ({error}); expected comma-separated text") from error


def pool_predictions(runs: Sequence[Predictions]) -> Predictions:
    """Combine runs with other seeds on the same images: each image counts once per run, persons stay the same.

    An accuracy is then the mean over the runs, and what resamples persons takes all runs of a person together. The
    key of an image gets the number of its run.

    Raises:
        DatasetError: no run, or runs that were measured on different images.
    """
    if not runs:
        raise DatasetError("no predictions to pool; expected one run or more")
    first = runs[0]
    same = [
        first,
        *(align_predictions(first, other, "run 0", f"run {number}") for number, other in enumerate(runs[1:], 1)),
    ]
    return Predictions(
        classes=first.classes,
        keys=tuple(f"{key}#{number}" for number in range(len(same)) for key in first.keys),
        persons=first.persons * len(same),
        truths=np.tile(first.truths, len(same)),
        age_groups=first.age_groups * len(same),
        probabilities=np.concatenate([run.probabilities for run in same]),
        undecided=np.concatenate([run.undecided for run in same]),
    )


def align_predictions(first: Predictions, second: Predictions, first_name: str, second_name: str) -> Predictions:
    """Reorder the second as the first, so that they can be compared image by image.

    Args:
        first_name, second_name: their names in error messages.

    Raises:
        DatasetError: they are of different classes or images, or disagree on a truth, a person or an age group.
    """
    if first.classes != second.classes:
        raise DatasetError(
            f"{first_name} knows the classes {', '.join(first.classes)} and {second_name} "
            f"{', '.join(second.classes)}; runs can be compared on the same classes in the same order only"
        )
    places = {key: index for index, key in enumerate(second.keys)}
    if set(first.keys) != set(places):
        lost, added = set(first.keys) - set(places), set(places) - set(first.keys)
        raise DatasetError(
            f"{first_name} and {second_name} were measured on different images: {len(lost)} of {len(first)} are only "
            f"in {first_name}, {len(added)} of {len(second)} only in {second_name} (as {min(lost | added)[:16]}); a "
            "paired comparison needs the same images: predict both runs with the same --test"
        )
    second = second.select([places[key] for key in first.keys])
    for what, ours, theirs in (
        ("truth", first.conditions, second.conditions),
        ("person", first.persons, second.persons),
        ("age group", first.age_groups, second.age_groups),
    ):
        for key, one, other in zip(first.keys, ours, theirs, strict=True):
            if one != other:
                raise DatasetError(
                    f"image {key[:16]} has the {what} {one!r} in {first_name} and {other!r} in {second_name}; the "
                    "labels of the test set changed between the two: predict both again"
                )
    return second


def _parse_table(text: str, name: str) -> Predictions:
    """Parse a table that `Predictions.save` wrote."""
    rows = [[restore_cell(cell) for cell in row] for row in csv.reader(io.StringIO(text), strict=True)]
    header = rows[0] if rows else []
    classes = tuple(column.removeprefix(_PROBABILITY) for column in header[len(_COLUMNS) :])
    expected = [*_COLUMNS, *(_PROBABILITY + known for known in classes)]
    if not classes or header != expected:
        raise DatasetError(
            f"{name} has the columns {', '.join(header) or '(none)'}; expected {', '.join(_COLUMNS)} and "
            f"{_PROBABILITY}CLASS for each class, as `gestaltgen classify predict` writes them"
        )
    truths, undecided, probabilities = [], [], []
    for number, row in enumerate(rows[1:], 2):
        where = f"{name}, row {number}"
        if len(row) != len(header):
            raise DatasetError(f"{where} has {len(row)} cells; expected {len(header)}: predict again")
        if row[2] not in classes:
            raise DatasetError(f"{where}, column truth: {row[2]!r} is unknown; expected one of {', '.join(classes)}")
        if row[4] not in ("0", "1"):
            raise DatasetError(f"{where}, column undecided: {row[4]!r}; expected 0 or 1")
        truths.append(classes.index(row[2]))
        undecided.append(row[4] == "1")
        try:
            probabilities.append([float(cell) for cell in row[len(_COLUMNS) :]])
        except ValueError as error:
            raise DatasetError(f"{where}: {error}; expected a probability from 0 to 1") from error
    try:
        return Predictions(
            classes=classes,
            keys=tuple(row[0] for row in rows[1:]),
            persons=tuple(row[1] for row in rows[1:]),
            truths=np.array(truths, dtype=np.int64),
            age_groups=tuple(row[3] or None for row in rows[1:]),
            probabilities=np.array(probabilities, dtype=np.float64).reshape(-1, len(classes)),
            undecided=np.array(undecided, dtype=np.bool_),
        )
    except DatasetError as error:
        raise DatasetError(f"{name}: {error}") from error


def _find_duplicate(names: Sequence[str]) -> str | None:
    """Return the first name that occurs twice; None if there is none."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
