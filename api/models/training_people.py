"""Protection of the people whom a generator was trained on: images that are too near to one of them are found.

A sealed file beside the checkpoint holds descriptors of these people (`faces.measures.training_people`). It is
encrypted under a key of the owner's, and bound to the checkpoint by its sha256. `gestaltgen weights audit` writes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import numpy.typing as npt

import weights
from api.encryption.key_file import read_key
from api.encryption.sealed_files import seal, unseal
from core.atomic_files import write_file
from core.errors import CheckpointError, ConfigError, MissingPackageError, StorageError
from faces.images import Pixels
from faces.measures.distances import Features
from faces.measures.training_people import TrainingPeople

if TYPE_CHECKING:  # they bring PyTorch or dlib with them
    from faces.detect import FaceDetector
    from gen.evaluation.audit.descriptions import Describe

_SUFFIX: Final = "-people.sealed"


def find_place(generator: Path) -> Path:
    """Return where the sealed file of a checkpoint lies: `NAME-people.sealed` beside `NAME.safetensors`."""
    return generator.with_name(f"{generator.stem}{_SUFFIX}")


def write_sealed(generator: Path, people: TrainingPeople, key: bytes) -> Path:
    """Write the sealed file of a checkpoint, which only its owner can read, and return its place."""
    place = find_place(generator)
    write_file(place, seal(key, _name(people.weights_sha256), people.to_bytes()), private=True)
    return place


class TrainingPeopleGuard:
    """Finds images that are too near to a training person.

    Args:
        people: descriptors of the training people.
        digest: SHA-256 of the sealed file, in hex.
        detector: returns the face detector, when photographs are described for the first time.

    Raises:
        CheckpointError: the descriptors are of another oracle than the shipped one.
    """

    def __init__(self, people: TrainingPeople, digest: str, detector: Callable[[], FaceDetector]) -> None:
        expected = weights.manifest()[weights.ORACLE]["sha256"] if people.reader == "oracle" else ""
        if people.reader_sha256 != expected:
            raise CheckpointError(
                f"descriptors of training people by the oracle {people.reader_sha256:.12}…; this software reads "
                f"phantoms by {expected:.12}…: write them again with `gestaltgen weights audit`"
            )
        self.digest = digest
        self._people = people
        self._detector = detector

    @classmethod
    def open(
        cls, generator: Path, weights_sha256: str, key: Path | None, detector: Callable[[], FaceDetector]
    ) -> Self | None:
        """Open the sealed file of a checkpoint; None if it has none.

        Args:
            key: file of the key; None if there is none.

        Raises:
            ConfigError: there is a sealed file and no key, or the key file holds none.
            CheckpointError: the file was sealed under another key or for another checkpoint, or is damaged.
        """
        place = find_place(generator)
        if not place.is_file():
            return None
        if key is None:
            raise ConfigError(
                f"{place} has descriptors of training people, whom the images of this generator must not show, and no "
                "key was given; name the file of its key with GESTALTGEN_PEOPLE_KEY, or --people-key"
            )
        sealed = place.read_bytes()
        try:
            data = unseal(read_key(key), _name(weights_sha256), sealed)
        except StorageError:
            raise CheckpointError(
                f"{place} was sealed under another key than that in {key}, or for another checkpoint than {generator}, "
                "or is damaged; restore it, or write it again with `gestaltgen weights audit --people-key`"
            ) from None
        return cls(TrainingPeople.from_bytes(data), hashlib.sha256(sealed).hexdigest(), detector)

    def compare(self, images: Pixels) -> tuple[npt.NDArray[np.bool_], Features]:
        """Find the images (n,) of uint8 (n, h, h, 3) that are too near to a training person, and how near each is.

        Returns:
            As `TrainingPeople.compare`. An image in which no face is found is near nobody.
        """
        from gen.evaluation.audit.descriptions import IDENTITY

        return self._people.compare(self._describe(images)[IDENTITY])

    @cached_property
    def _describe(self) -> Describe:
        """Networks that describe the images.

        Raises:
            MissingPackageError: one of their packages is not installed.
        """
        try:
            from faces.measures.descriptors import FaceDescriber
            from faces.oracle import attribute_network
            from gen.evaluation.audit import descriptions
        except ImportError as error:
            raise MissingPackageError(str(error.name), "comparing images with training people") from None
        if self._people.reader == "oracle":
            oracle, info = attribute_network.load(weights.oracle())
            return descriptions.describe_phantoms(oracle, info.steady)
        return descriptions.describe_photographs(FaceDescriber(self._detector(), apart=True), None)


def _name(weights_sha256: str) -> str:
    """Name that is authenticated with the sealed descriptors, and binds them to a checkpoint."""
    return f"training people of {weights_sha256}"
