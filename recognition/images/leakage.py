"""Records of the images that generators and classifiers were trained on, so that nobody measures them on those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.errors import DatasetError
from core.seen_images import KEY_DIGITS, SeenImages
from gestaltgen_client import Client, ServiceError
from recognition.images.samples import Samples


@dataclass(frozen=True)
class TrainingRecord:
    """Record of the images that a generator or a classifier was trained on.

    An image is identified by its pixels as they are stored: the same image at another size, or saved with loss, is not
    found.

    Attributes:
        name: the generator or classifier, for people: "generator portraits128".
        keys: the first 16 hex digits of each image's key (`faces.images.pixels_key`).
        complete: False if a part of the images, or all of them, are not known.
        parts: records that `union` combined; empty for a single one.
    """

    name: str
    keys: frozenset[str]
    complete: bool = True
    parts: tuple[TrainingRecord, ...] = ()

    def __post_init__(self) -> None:
        SeenImages(self.keys)  # checks the form

    @classmethod
    def from_samples(cls, samples: Samples, name: str) -> TrainingRecord:
        """Make the record of all faces of some samples, synthetic ones included."""
        return cls.of(name, SeenImages.of(sample.key for sample in samples.samples))

    @classmethod
    def of(cls, name: str, images: SeenImages) -> TrainingRecord:
        """Make a record from the images that a checkpoint lists."""
        return cls(name, images.keys, images.complete)

    @classmethod
    def of_model(cls, client: Client, model: str) -> TrainingRecord:
        """Ask a service for the record of a generator; it is empty and incomplete if the service cannot tell.

        Raises:
            ServiceError: the service cannot be reached, or refuses.
        """
        name = f"generator {model}"
        try:
            answer = client.training_images(model)
        except ServiceError as error:
            if error.status != 404:
                raise
            return cls(name, frozenset(), complete=False)
        return cls(name, frozenset(answer["keys"]), bool(answer["complete"]))

    def union(self, *others: TrainingRecord) -> TrainingRecord:
        """Combine records into one whose parts keep their names."""
        parts = tuple(dict.fromkeys(single for one in (self, *others) for single in (one.parts or (one,))))
        if len(parts) == 1:
            return parts[0]
        return TrainingRecord(
            " and ".join(part.name for part in parts),
            frozenset().union(*(part.keys for part in parts)),
            all(part.complete for part in parts),
            parts,
        )

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of those whose record is incomplete; a report states them beside its figures."""
        return tuple(part.name for part in (self.parts or (self,)) if not part.complete)

    def indices_in(self, test: Samples) -> list[int]:
        """Find the images of a test set that are in the record; `test.subset` of all others can be measured on."""
        return [index for index, sample in enumerate(test.samples) if sample.key[:KEY_DIGITS] in self.keys]

    def refuse(self, test: Samples) -> None:
        """Refuse a test set that has any of these images. Images that are not known (`unknown`) cannot be refused.

        Raises:
            DatasetError: it has; how many, by whom they were seen, and what to do.
        """
        seen = self.indices_in(test)
        if not seen:
            return
        keys = [test.samples[index].key for index in seen]
        by = "; ".join(
            f"{count} by {part.name}"
            for part in (self.parts or (self,))
            if (count := sum(key[:KEY_DIGITS] in part.keys for key in keys))
        )
        raise DatasetError(
            f"{len(seen)} of {len(test)} test images were seen in training: {by} (the first is number {seen[0]}, key "
            f"{keys[0][:KEY_DIGITS]}); figures on them would say nothing: leave them out of the test set, or "
            "train without them (`gestaltgen train --exclude`)"
        )

    def to_json(self) -> list[dict[str, Any]]:
        """Return the record as JSON can hold it, for the metadata of a classifier or the record of a run."""
        return [
            {"name": part.name, **SeenImages(part.keys, part.complete).to_json()} for part in (self.parts or (self,))
        ]

    @classmethod
    def from_json(cls, value: Iterable[Mapping[str, Any]]) -> TrainingRecord:
        """Restore a record from the result of `to_json`.

        Raises:
            DatasetError: something else.
        """
        try:
            parts = [cls.of(str(part["name"]), SeenImages.from_json(part)) for part in value]
        except (KeyError, TypeError) as error:
            raise DatasetError(f"the record of training images has an unknown form ({error!r}); train again") from None
        if not parts:
            raise DatasetError("the record of training images is empty; expected one entry or more: train again")
        return parts[0].union(*parts[1:])
