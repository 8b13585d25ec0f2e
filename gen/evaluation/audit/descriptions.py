"""Descriptions of pictures by which an audit compares faces: identity, perceptual features, and pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from faces.images import Pixels
from faces.measures.distances import Features, nearest
from faces.oracle.attribute_network import Oracle
from gen.evaluation.experiments import Extract
from gen.evaluation.real_images import THUMBNAIL_PX, thumbnails

IDENTITY: Final = "identity"
PERCEPTUAL: Final = "perceptual"
PIXELS: Final = "pixels"

Descriptions: TypeAlias = Mapping[str, Features]
"""Numbers (n, d) of n pictures by measure; a row of NaN for a picture that a measure cannot describe."""

Describe: TypeAlias = Callable[[Pixels], Descriptions]
"""Descriptions of uint8 (n, h, h, 3)."""


def describe_phantoms(oracle: Oracle, steady: list[int]) -> Describe:
    """Return a function that describes phantoms, as the oracle reads them.

    Args:
        steady: entries of the identity that are read at every age.
    """

    def describe(images: Pixels) -> Descriptions:
        reading = oracle.read_pixels(images)
        identity = reading.identity.double().numpy()[:, steady]
        return {IDENTITY: identity, PERCEPTUAL: reading.features.double().numpy(), PIXELS: describe_pixels(images)}

    return describe


def describe_photographs(describe_face: Extract, perceptual: Extract | None) -> Describe:
    """Return a function that describes photographs, by dlib's descriptors and by other features where there are any."""

    def describe(images: Pixels) -> Descriptions:
        features = {} if perceptual is None else {PERCEPTUAL: perceptual(images)}
        return {IDENTITY: describe_face(images)} | features | {PIXELS: describe_pixels(images)}

    return describe


def describe_pixels(images: Pixels) -> Features:
    """Return small pictures (n, 768), scaled so that distances are roots of mean squared differences of grey levels."""
    return thumbnails(images).astype(np.float64) / (3**0.5 * THUMBNAIL_PX)


def join(parts: Iterable[Descriptions]) -> Descriptions:
    """Join descriptions of several batches."""
    listed = list(parts)
    return {name: np.concatenate([part[name] for part in listed]) for name in listed[0]}


def reduce(images: Pixels, side: int) -> Pixels:
    """Reduce uint8 (n, h, h, 3) to a side, as training does; smaller pictures stay."""
    if images.shape[1] <= side:
        return images
    return np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in images])


def find_nearest(queries: Features, among: Features, measure: str) -> tuple[Features, npt.NDArray[np.int64]]:
    """Find the nearest described row of `among` for each query: distance (n,) and place (n,).

    Training shows every picture mirrored too, so a query is compared both ways where the measure tells them apart. A
    query without a description has distance NaN, and place 0.

    Raises:
        DatasetError: nothing is described.
    """
    known, places = np.isfinite(queries).all(axis=1), np.flatnonzero(np.isfinite(among).all(axis=1))
    if not known.any() or not len(places):
        raise DatasetError(f"{measure}: no face is found on any of the pictures; expected pictures of faces")
    distance, place = np.full(len(queries), np.nan), np.zeros(len(queries), dtype=np.int64)
    distance[known], found = nearest(queries[known], among[places])
    place[known] = places[found]
    if measure == PIXELS:
        mirrored, found = nearest(_mirror(queries[known]), among[places])
        nearer = np.flatnonzero(known)[mirrored < distance[known]]
        distance[known] = np.minimum(distance[known], mirrored)
        place[nearer] = places[found[np.searchsorted(np.flatnonzero(known), nearer)]]
    return distance, place


def _mirror(small: Features) -> Features:
    mirrored: Features = small.reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX, 3)[:, :, ::-1].reshape(len(small), -1)
    return mirrored
