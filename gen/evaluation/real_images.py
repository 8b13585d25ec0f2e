"""Real images of an evaluation: the images that a generator learnt from, as read by the evaluation's networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from faces.datasets.dataset import Dataset
from faces.images import Pixels
from faces.measures.distances import Features
from faces.oracle.attribute_network import Oracle, Reading
from gen.evaluation.experiments import Extract
from gen.labels import Vocabulary
from gen.training.data import Exclusion

THUMBNAIL_PX = 16
"""Side of the pictures whose pixels are compared. It is small, because an edge that moved by a pixel is no new face."""

_CHUNK = 256


@dataclass(frozen=True)
class ImageSubset:
    """Part of the pictures of a data set: those of the training, or those that were held out.

    Attributes:
        data: the data set.
        places: (n,) places of the part's pictures in it.
    """

    data: Dataset
    places: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def image(self, index: int) -> Pixels:
        return self.data.image(int(self.places[index]))

    def labels(self, vocabulary: Vocabulary) -> npt.NDArray[np.float32]:
        """Return labels (n, c_dim), uniform mixes if the data set has no labels."""
        if self.data.labels is None:
            return np.tile(vocabulary.encode().numpy(), (len(self), 1))
        labels: npt.NDArray[np.float32] = self.data.labels[self.places]
        return labels

    def chunks(self) -> Iterator[tuple[int, Pixels]]:
        """Yield the first place and the images uint8 (k, h, h, 3) of each chunk, so that a subset need not fit in
        memory."""
        for start in range(0, len(self), _CHUNK):
            yield start, np.stack([self.image(index) for index in range(start, min(start + _CHUNK, len(self)))])


def select_all(data: Dataset) -> ImageSubset:
    return ImageSubset(data, np.arange(len(data), dtype=np.int64))


def split_by_exclusion(data: Dataset, exclusion: Exclusion) -> tuple[ImageSubset, ImageSubset]:
    """Split a data set into the images that a run with this exclusion trained on, and those that it left out.

    Raises:
        ConfigError: the exclusion covers none of the pictures, or all but one.
    """
    out = np.array([exclusion.covers(record) for record in data.records])
    if not out.any() or (~out).sum() < 2:
        raise ConfigError(
            f"{exclusion.path} covers {out.sum()} of the {len(out)} pictures of {data.path}; "
            "expected the list that the training was given, and its data"
        )
    return ImageSubset(data, np.flatnonzero(~out)), ImageSubset(data, np.flatnonzero(out))


@dataclass(frozen=True)
class RealImages:
    """Training images as networks read them.

    Attributes:
        labels: (n, c_dim) float32; the uniform mix if nothing is known.
        identity: (n, 18) as the oracle reads it; empty for photographs.
        features: name -> (k, d) of `places[name]`.
        places: name -> (k,) places among these images: all of them for the oracle, of some for slower networks.
        thumbnails: (n, 768) float32 grey levels.
    """

    labels: npt.NDArray[np.float32]
    identity: Features
    features: Mapping[str, Features]
    places: Mapping[str, npt.NDArray[np.int64]]
    thumbnails: npt.NDArray[np.float32]


def read_real(
    part: ImageSubset,
    vocabulary: Vocabulary,
    extractors: Mapping[str, Extract],
    oracle: Oracle | None,
    *,
    slow_count: int,
    on_progress: Callable[[int], None],
) -> RealImages:
    """Read each training image once, and compute its features and readings.

    Args:
        extractors: by name; "oracle" is taken from the oracle's reading instead.
        oracle: reads all images; None for photographs.
        slow_count: number of images, evenly spaced, for the other extractors.
        on_progress: called with the number of images read since the last call.

    Raises:
        ConfigError: the set is labelled in another vocabulary than the generator's.
    """
    data = part.data
    if (data.conditions, data.ages) != (vocabulary.conditions, vocabulary.ages):
        raise ConfigError(
            f"{data.path} is labelled with {', '.join(data.conditions)} and {', '.join(a.name for a in data.ages)}, "
            f"the generator with {', '.join(vocabulary.conditions)} and {', '.join(vocabulary.age_names)}; "
            "expected the data set that it was trained on"
        )
    count = min(slow_count, len(part))
    some = np.unique(np.linspace(0, len(part) - 1, count).round().astype(np.int64))
    readings: list[Reading] = []
    thumbs: list[npt.NDArray[np.float32]] = []
    features: dict[str, list[Features]] = {name: [] for name in extractors}
    for start, images in part.chunks():
        thumbs.append(thumbnails(images))
        if oracle is not None:
            readings.append(oracle.read_pixels(images))
        chosen = images[some[(some >= start) & (some < start + len(images))] - start]
        for name, extract in extractors.items():
            if name == "oracle" and oracle is not None:
                features[name].append(readings[-1].features.double().numpy())
            elif len(chosen):
                features[name].append(extract(chosen))
        on_progress(len(images))
    everything = np.arange(len(part), dtype=np.int64)
    return RealImages(
        labels=part.labels(vocabulary),
        identity=Reading.cat(readings).identity.double().numpy() if readings else np.empty((0, 0)),
        features={name: np.concatenate(parts) for name, parts in features.items()},
        places={name: everything if name == "oracle" and oracle is not None else some for name in extractors},
        thumbnails=np.concatenate(thumbs),
    )


def thumbnails(images: Pixels) -> npt.NDArray[np.float32]:
    """Convert uint8 (n, h, h, 3) to grey levels (n, 768) float32, averaged over areas."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    small = [cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(-1) for image in images]
    return np.stack(small).astype(np.float32)
