"""Descriptors of the people whom a generator was trained on, by which images that are too near to one are found."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from core.errors import CheckpointError, ConfigError
from faces.measures.distances import Features, nearest

Reader: TypeAlias = Literal["oracle", "dlib"]
"""Network that describes faces: the oracle, those of phantoms by the identity that it reads; dlib's, photographs."""

_VERSION: Final = 1
_DTYPE: Final = np.dtype("<f2")


@dataclass(frozen=True)
class TrainingPeople:
    """Descriptors of the training people of one generator.

    Args:
        weights_sha256: of the generator's checkpoint.
        reader: network that describes faces.
        reader_sha256: of the oracle's file; empty for dlib's network, of which there is one.
        people: number of different people.
        share: share of unseen people who are as near as the threshold to a training person, or nearer.
        threshold: distance up to which an image is too near.
        descriptors: float16 (n, d), one of each training picture.
        percentiles: distances of unseen people to the nearest training person, from 0 to 100 percent; none in a file of
            an earlier version.
    """

    weights_sha256: str
    reader: Reader
    reader_sha256: str
    people: int
    share: float
    threshold: float
    descriptors: npt.NDArray[np.float16]
    percentiles: tuple[float, ...] = ()

    @classmethod
    def calibrate(
        cls,
        trained: Features,
        unseen: Features,
        *,
        share: float,
        people: int,
        weights_sha256: str,
        reader: Reader,
        reader_sha256: str = "",
    ) -> Self:
        """Set the threshold by unseen people: the distance that a share of them do not exceed.

        Args:
            trained, unseen: (n, d) and (m, d) descriptors of training pictures and of unseen people; a row of NaN for a
                picture without a face.

        Raises:
            ConfigError: a share outside (0, 1), or fewer unseen people than it needs to be one of them.
        """
        descriptors = trained[np.isfinite(trained).all(axis=1)].astype(_DTYPE)
        distances = np.sort(_measure_distances(unseen, descriptors))
        distances = distances[np.isfinite(distances)]
        if not 0 < share < 1:
            raise ConfigError(f"{share} of unseen people; expected a share between 0 and 1, as 0.01")
        if (rank := math.floor(share * len(distances) + 1e-9)) < 1 or not len(descriptors):
            raise ConfigError(
                f"{len(distances)} unseen people and {len(descriptors)} training pictures with a face, for a share of "
                f"{share:g}; expected at least one training picture and {math.ceil(1 / share - 1e-9)} unseen people: "
                "give more of them, or ask for a larger share"
            )
        threshold = float(distances[rank - 1])
        percentiles = tuple(np.percentile(distances, range(101)).tolist())
        return cls(weights_sha256, reader, reader_sha256, people, share, threshold, descriptors, percentiles)

    def compare(self, described: Features) -> tuple[npt.NDArray[np.bool_], Features]:
        """Compare faces with the training people.

        Args:
            described: (n, d) descriptors of faces. A row of NaN, of a picture without a face, is near nobody.

        Returns:
            Which faces (n,) are too near to a training person, and the share (n,) of unseen people who are as near to
            one or nearer, in hundredths; NaN without a face or without percentiles.
        """
        distances = _measure_distances(described, self.descriptors)
        ranks = np.maximum(np.searchsorted(self.percentiles, distances, "right") - 1, 0) / 100
        known = np.isfinite(distances) & bool(self.percentiles)
        return distances <= self.threshold, np.where(known, ranks, np.nan)

    def to_bytes(self) -> bytes:
        """Return a line of JSON and the descriptors behind it."""
        about = {name: value for name, value in vars(self).items() if name != "descriptors"}
        header = {"version": _VERSION, **about, "shape": self.descriptors.shape}
        return json.dumps(header).encode() + b"\n" + self.descriptors.astype(_DTYPE).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return what `to_bytes` was made of.

        Raises:
            CheckpointError: other bytes, or those of another version.
        """
        line, _, rest = data.partition(b"\n")
        try:
            header: dict[str, Any] = json.loads(line)
            version, shape = header.pop("version"), header.pop("shape")
            percentiles = tuple(header.pop("percentiles", ()))
            descriptors = np.frombuffer(rest, _DTYPE).reshape(shape)
            people = cls(**header, descriptors=descriptors, percentiles=percentiles)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"not descriptors of training people ({error}); write them again") from None
        if version != _VERSION or people.reader not in get_args(Reader):
            raise CheckpointError(
                f"descriptors of training people of version {version}, by {people.reader!r}; expected version "
                f"{_VERSION}, by one of {', '.join(get_args(Reader))}: write them again with this software"
            )
        return people


def _measure_distances(described: Features, descriptors: npt.NDArray[np.float16]) -> Features:
    """Measure the distance (n,) of each face to the nearest descriptor; NaN for a row of NaN."""
    distances, known = np.full(len(described), np.nan), np.isfinite(described).all(axis=1)
    if known.any() and len(descriptors):
        distances[known] = nearest(described[known], descriptors.astype(np.float64))[0]
    return distances
