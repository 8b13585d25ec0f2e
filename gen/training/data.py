"""Training images in memory, and the facts about them that a checkpoint must state."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor

from core.errors import ConfigError
from core.seen_images import UNKNOWN, SeenImages
from faces.datasets.dataset import Dataset
from faces.datasets.name_lists import read_names
from faces.datasets.records import Record
from faces.images import pixels_key
from faces.measures.identities import Identities, standardise
from gen.labels import Vocabulary

_LOOKED_AT: Final = 256
"""Number of images whose pixels enter the fingerprint."""

UNGROUPED: Final = "unknown"
"""Group of the images that a table of groups does not name."""


@dataclass(frozen=True)
class TrainingImages:
    """Training data: images (n, 3, h, h) uint8, labels (n, c_dim) float32, identities (n, k) float32, and groups (n).

    Each number of the identity is standardised over the images; rows of NaN are unknown. None where it is not used.
    The groups are names by which images are shown evenly; None where they are not balanced.
    """

    images: Tensor
    labels: Tensor
    identity: Tensor | None = None
    groups: tuple[str, ...] | None = None

    @property
    def identity_size(self) -> int:
        """Numbers of an identity; 0 where it is not used."""
        return 0 if self.identity is None else self.identity.shape[1]

    def batch(self, indices: Tensor, flips: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (b, 3, h, h) float32 in [-1, 1], mirrored where `flips`, and their labels."""
        images = self.images[indices].float() / 127.5 - 1
        return torch.where(flips[:, None, None, None], images.flip(3), images), self.labels[indices]

    def fingerprint(self) -> str:
        """Compute a hex digest of all labels and some of the images, by which a resumed run recognises its data."""
        digest = hashlib.sha256(self.labels.numpy().tobytes())
        if self.identity is not None:
            digest.update(self.identity.numpy().tobytes())
        if self.groups is not None:
            digest.update("\n".join(self.groups).encode())
        step = -(-len(self.images) // _LOOKED_AT)
        digest.update(self.images[::step].contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class TrainingData:
    """Data set of a run.

    Args:
        images: with labels.
        vocabulary: of the labels.
        counts: images by condition and age group, `unknown` included where there are any.
        origin: description of the images, for people.
        left_out: number of images that were excluded.
        seen: keys of the images.
    """

    images: TrainingImages
    vocabulary: Vocabulary
    counts: dict[str, dict[str, int]]
    origin: str
    left_out: int = 0
    seen: SeenImages = UNKNOWN

    def __len__(self) -> int:
        return len(self.images.images)


@dataclass(frozen=True)
class Exclusion:
    """Images that must not be trained on, by name: of the file, of its source, or of the person.

    Args:
        names: names without folders.
        path: path of the list, for messages.
    """

    names: frozenset[str] = field(default_factory=frozenset)
    path: str = ""

    @classmethod
    def read(cls, path: Path) -> Exclusion:
        """Read a list with a name on each line (`faces.datasets.name_lists`).

        Raises:
            DatasetError: the file cannot be read, or holds no name.
        """
        return cls(frozenset(PurePosixPath(name).name for name in read_names(path)), str(path))

    def covers(self, record: Record) -> bool:
        known = (record.file, record.source, record.person)
        return any(name is not None and PurePosixPath(name).name in self.names for name in known)


def load(
    data: Dataset,
    exclusion: Exclusion = Exclusion(),
    size: int | None = None,
    identity: Identities | None = None,
    groups: Mapping[str, str] | None = None,
) -> TrainingData:
    """Load a data set into memory, without the images that are excluded.

    Args:
        size: reduce the images to this side in pixels, for networks that will grow later; None leaves them as they are.
        identity: (n, k) identities on the images of the set, to be learnt too.
        groups: name of the group by image, see `read_groups`; images that it lacks are of the group `unknown`.

    Raises:
        ConfigError: no labels, an exclusion that covers no image (a list for other data, or names that the data does
            not carry), or one that covers all; a size above the data's.
    """
    size = size or data.size
    if size > data.size:
        raise ConfigError(f"--size {size} and {data.path} is of {data.size} px; expected at most that, or larger data")
    if data.labels is None:
        raise ConfigError(f"{data.path} has no labels; expected a data set that `gestaltgen dataset` made")
    kept = [index for index, record in enumerate(data.records) if not exclusion.covers(record)]
    left_out = len(data) - len(kept)
    if exclusion.names and left_out == 0:
        raise ConfigError(
            f"{exclusion.path} lists {len(exclusion.names)} names and none is a file, source or person of {data.path}; "
            "give the data these names (its column source), or leave --exclude out if it does not contain them"
        )
    if not kept:
        raise ConfigError(f"{exclusion.path} excludes all {len(data)} images of {data.path}; nothing is left to learn")
    images = np.empty((len(kept), 3, size, size), dtype=np.uint8)
    keys = []
    for place, index in enumerate(kept):
        image = data.image(index)
        # The key of the image before it is reduced, because later measurements use the data set.
        keys.append(pixels_key(image))
        reduced = image if size == data.size else cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        images[place] = reduced.transpose(2, 0, 1)
    records = [data.records[index] for index in kept]
    names = None if groups is None else tuple(_find_group(record, groups) for record in records)
    if names is not None and set(names) == {UNGROUPED}:
        raise ConfigError(
            f"no image of {data.path} has a group; expected names of its files or sources in the column image, for "
            f"example {records[0].source or records[0].file}"
        )
    return TrainingData(
        TrainingImages(
            torch.from_numpy(images),
            torch.from_numpy(data.labels[kept]),
            None if identity is None else torch.from_numpy(standardise(identity[kept])),
            names,
        ),
        Vocabulary(data.conditions, data.ages, data.identifiers),
        data.counts(records),
        _origin(records, data),
        left_out,
        SeenImages.of(keys),
    )


def read_groups(path: Path) -> dict[str, str]:
    """Read a table of groups: CSV with the columns `image` (a file, or the source of one) and `group`.

    Raises:
        ConfigError: the file cannot be read, has other columns, or names an image twice.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if not {"image", "group"} <= set(reader.fieldnames or ()):
                raise ConfigError(f"{path} has the columns {reader.fieldnames}; expected image and group")
            rows = [(PurePosixPath(row["image"]).name, row["group"]) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be read ({error}); expected a CSV table of image and group") from None
    groups = dict(rows)
    if len(groups) < len(rows):
        raise ConfigError(f"{path} names {len(rows) - len(groups)} images twice; expected one group for each image")
    return groups


def _find_group(record: Record, groups: Mapping[str, str]) -> str:
    names = (PurePosixPath(name).name for name in (record.file, record.source) if name is not None)
    return next((groups[name] for name in names if name in groups), UNGROUPED)


def _origin(records: Collection[Record], data: Dataset) -> str:
    """Describe the images by their number and sources; if the sources are many, by the name of the data set."""
    sources = sorted({record.source for record in records if record.source})
    named = ", ".join(sources) if 0 < len(sources) <= 5 else data.path.name
    return f"{len(records)} images of {named}"
