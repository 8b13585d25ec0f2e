"""Labelled faces for the training and the measurement of classifiers, whatever their source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from core.errors import DatasetError
from faces.datasets.dataset import Dataset
from faces.images import Pixels, pixels_key

KEPT_BYTES: Final = 1 << 30
"""Memory for decoded images of a data set; those beyond it are decoded each time they are used."""


@dataclass(frozen=True)
class Sample:
    """Key, label and person of one face.

    Attributes:
        key: sha256 of its pixels as stored (`faces.images.pixels_key`), in hex.
        label: shares of the classes, in their order; they sum to 1, and one of them is 1 where the label is hard.
        condition: the class of a hard label; None where classes are blended.
        age_group: None if it is not known.
        person: name of the person; equal for images of the same person, real or synthetic.
        synthetic: True if a generator made the image.
    """

    key: str
    label: tuple[float, ...]
    condition: str | None
    age_group: str | None
    person: str
    synthetic: bool


class Samples(Protocol):
    """Labelled faces in a fixed order.

    Attributes:
        classes: names of the classes, in the order of the labels.
        samples: key, label and person of each face.
    """

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def samples(self) -> tuple[Sample, ...]: ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> Pixels:
        """Return an image, uint8 (h, w, 3) RGB, of any size."""

    def subset(self, indices: Iterable[int]) -> Samples:
        """Return the faces at these indices, in their order."""


class RealSamples:
    """Faces of a data set; made by `load_real_samples`."""

    def __init__(self, dataset: Dataset, classes: tuple[str, ...], on_image: Callable[[int], None]) -> None:
        self.classes = classes
        self._dataset = dataset
        self._kept: dict[int, Pixels] = {}
        self._rows = tuple(range(len(dataset)))
        bound = KEPT_BYTES // (3 * dataset.size**2)
        samples = []
        for row, record in enumerate(dataset.records):
            image = dataset.image(row)
            if row < bound:
                self._kept[row] = image
            label = tuple(float(name == record.condition) for name in classes)
            samples.append(
                Sample(
                    pixels_key(image), label, record.condition, record.age_group, str(record.person), synthetic=False
                )
            )
            on_image(row + 1)
        self.samples = tuple(samples)

    def __len__(self) -> int:
        return len(self.samples)

    def image(self, index: int) -> Pixels:
        row = self._rows[index]
        kept = self._kept.get(row)
        return self._dataset.image(row) if kept is None else kept

    def subset(self, indices: Iterable[int]) -> RealSamples:
        places = [int(index) for index in indices]
        part = object.__new__(RealSamples)
        part.classes, part._dataset, part._kept = self.classes, self._dataset, self._kept
        part._rows = tuple(self._rows[place] for place in places)
        part.samples = tuple(self.samples[place] for place in places)
        return part


def load_real_samples(
    path: Path | str, classes: tuple[str, ...] | None = None, on_image: Callable[[int], None] = lambda done: None
) -> RealSamples:
    """Load the faces of a data set, as `gestaltgen dataset prepare` or `phantoms` makes it; each is decoded once.

    Args:
        path: folder or zip.
        classes: conditions in the order of the labels, as those of a classifier; None for the data set's vocabulary.
        on_image: called after each image with the number of images read so far.

    Raises:
        DatasetError: a face without person or condition, a condition that is no class, or a person of two conditions.
    """
    dataset = Dataset.open(path)
    classes = dataset.conditions if classes is None else classes
    conditions: dict[str, str] = {}
    for record in dataset.records:
        if record.person is None or record.condition is None:
            lacking = "person" if record.person is None else "condition"
            raise DatasetError(
                f"{path}: {record.file!r} has no {lacking}; a classifier needs the person and the condition of every "
                "face, so that nobody is in two folds: fill both columns in labels.csv"
            )
        if record.condition not in classes:
            raise DatasetError(
                f"{path}: {record.file!r} has the condition {record.condition!r}; expected one of "
                f"{', '.join(classes)}: name all conditions of the set as classes, or leave its rows out"
            )
        if conditions.setdefault(record.person, record.condition) != record.condition:
            raise DatasetError(
                f"{path}: person {record.person!r} has the conditions {conditions[record.person]!r} and "
                f"{record.condition!r} (of {record.file!r}); expected one for each person: correct labels.csv"
            )
    return RealSamples(dataset, classes, on_image)
