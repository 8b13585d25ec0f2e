"""Extraction of features from the pictures of a data set, or from photographs, with a reason for each failure."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from core.atomic_files import create_private_file
from core.errors import ImageError
from core.progress import SILENT, Progress, stepping_bar
from faces.align import align
from faces.datasets.dataset import Dataset
from faces.detect import FaceDetector
from faces.heads import POINTS as HEAD_POINTS
from faces.heads import fit_heads
from faces.images import Pixels, pixels_key
from recognition.syndromes.features.appearance import PATCH, sample_appearance
from recognition.syndromes.features.descriptors import DlibDescriptor, FaceDescriptor
from recognition.syndromes.features.face_features import FaceFeatures, Matrix
from recognition.syndromes.features.layout import (
    APPEARANCE,
    DESCRIPTOR,
    DISTANCES,
    LANDMARKS,
    POINTS,
    Layout,
)
from recognition.syndromes.features.shape import Floats, locate_eyes, measure_distances, normalise_landmarks

PHOTOGRAPH_SIDE_PX: Final = 256
"""Side to which photographs are aligned before their features are computed."""

_VERSION: Final = 4
"""Number that changes with the computation of any feature, heads included. Caches of earlier versions are not read."""

_BATCH: Final = 64


class Extraction(NamedTuple):
    """Features of the faces that could be represented, and the reason for each picture that could not, by file."""

    features: FaceFeatures
    failures: dict[str, str]


@dataclass(frozen=True)
class _Face:
    """Aligned picture of a face, with its landmarks, and what is known about the person."""

    file: str
    image: Pixels
    landmarks: Floats
    age: float | None
    sex: str | None


def extract(
    source: Dataset | Mapping[str, Pixels],
    *,
    descriptor: FaceDescriptor | None = None,
    flat: bool = False,
    detect: bool = False,
    cache: Path | None = None,
    ages: Mapping[str, float] | None = None,
    sexes: Mapping[str, str] | None = None,
    progress: Progress = SILENT,
) -> Extraction:
    """Compute the features of all faces.

    Args:
        source: a data set of aligned faces, or photographs uint8 (h, w, 3) by name, whose largest face is used. A data
            set whose records have HPO terms gives the block "terms" too.
        descriptor: computes the block "descriptor"; None takes dlib's network.
        flat: the block "points" holds the landmarks themselves, with depth 0, in place of the points of a 3D head.
        detect: finds the landmarks of a data set anew, even where it has them.
        cache: folder in which features are kept by the pixels and the settings, readable by its owner only. They are
            personal data, as the photographs are.
        ages, sexes: what is known of the persons on photographs, by name; a data set has them in its table.

    Returns:
        Features in the order of the source, and failures. A face to which no head can be fitted has a row, in which
        the points are NaN, and a reason in `features.gaps`.
    """
    descriptor = descriptor or DlibDescriptor()
    pictures = _read_dataset(source, detect) if isinstance(source, Dataset) else _read_photographs(source, ages, sexes)
    failures: dict[str, str] = {}
    gaps: dict[str, str] = {}
    files: list[str] = []
    rows: list[Matrix] = []
    represent = _Representation(descriptor, flat, cache)
    faces = _drop_failures(pictures, failures)
    with stepping_bar(progress, "computing features of faces", len(source)) as advance:
        while batch := [*islice(faces, _BATCH)]:
            rows += represent.compute(batch, gaps)
            files += [face.file for face in batch]
            advance(len(batch))
    X = np.stack(rows) if rows else np.empty((0, represent.layout.width), np.float32)
    features = FaceFeatures(tuple(files), X, represent.layout, gaps, name_features(descriptor.name))
    if isinstance(source, Dataset):
        terms = {record.file: record.present for record in source.records}
        features = features.with_terms([terms[file] for file in files])
    return Extraction(features, failures)


def name_features(descriptor: str) -> str:
    """Return the name of the computation of features with a descriptor: features of another name are others."""
    return f"{descriptor}, version {_VERSION}"


def _drop_failures(pictures: Iterable[_Face | tuple[str, str]], failures: dict[str, str]) -> Iterator[_Face]:
    for picture in pictures:
        if isinstance(picture, _Face):
            yield picture
        else:
            failures[picture[0]] = picture[1]


def _read_dataset(data: Dataset, detect: bool) -> Iterator[_Face | tuple[str, str]]:
    """Yield the faces of a data set, or the file and the reason for a picture that cannot be used."""
    known = None if detect else data.landmarks()
    detector = FaceDetector()
    for index, record in enumerate(data.records):
        image = data.image(index)
        try:
            points = known[index] if known is not None else None
            if points is None or not np.isfinite(points).all():  # of landmarks set by hand, most are not known
                points = detector.largest(image).landmarks
            locate_eyes(points)
        except ImageError as error:
            yield record.file, str(error)
        else:
            yield _Face(record.file, image, np.asarray(points, np.float64), record.age_years, record.sex)


def _read_photographs(
    photographs: Mapping[str, Pixels], ages: Mapping[str, float] | None, sexes: Mapping[str, str] | None
) -> Iterator[_Face | tuple[str, str]]:
    """Yield the largest face of each photograph, aligned as `gestaltgen dataset prepare` does, or the reason."""
    detector = FaceDetector()
    for file, photograph in photographs.items():
        try:
            landmarks = detector.find_in_photograph(photograph).landmarks
            locate_eyes(landmarks)
            aligned = align(photograph, landmarks, PHOTOGRAPH_SIDE_PX)
        except ImageError as error:
            yield file, str(error)
        else:
            points = aligned.to_aligned(landmarks)
            yield _Face(file, aligned.image, points, (ages or {}).get(file), (sexes or {}).get(file))


class _Representation:
    """Computation of rows of features, with a cache."""

    def __init__(self, descriptor: FaceDescriptor, flat: bool, cache: Path | None) -> None:
        self._descriptor, self._flat, self._cache = descriptor, flat, cache
        blocks = (
            (DESCRIPTOR, descriptor.size),
            (LANDMARKS, 2 * 68),
            (APPEARANCE, 68 * PATCH * PATCH),
            (DISTANCES, 68 * 67 // 2),
            (POINTS, 3 * (68 if flat else HEAD_POINTS)),
        )
        self.layout = Layout(blocks)
        self._settings = json.dumps([_VERSION, descriptor.name, flat, self.layout.to_json()])

    def compute(self, faces: Sequence[_Face], gaps: dict[str, str]) -> list[Matrix]:
        """Compute the rows of some faces; add those to which no head can be fitted to `gaps`."""
        paths = [self._path(face) for face in faces]
        rows = [_read_row(path) for path in paths]
        absent = [place for place, row in enumerate(rows) if row is None]
        points, failures = self._place_points([faces[place] for place in absent])
        for number, place in enumerate(absent):
            face = faces[place]
            rows[place] = row = np.concatenate([self._describe(face), points[number]]).astype(np.float32)
            if number in failures:
                gaps[face.file] = failures[number]
            else:
                _write_row(paths[place], row)
        return [row for row in rows if row is not None]

    def _describe(self, face: _Face) -> Floats:
        """Compute all blocks of a face but its points."""
        shape = normalise_landmarks(face.landmarks)
        parts = (
            self._descriptor(face.image, face.landmarks),
            shape.ravel(),
            sample_appearance(face.image, face.landmarks),
            measure_distances(shape),
        )
        return np.concatenate(parts)

    def _place_points(self, faces: Sequence[_Face]) -> tuple[npt.NDArray[Any], Mapping[int, str]]:
        """Compute the points of faces, one row for each, and the reasons for those whose points are NaN."""
        if not faces:
            return np.empty((0, 0)), {}
        if self._flat:
            shapes = np.stack([normalise_landmarks(face.landmarks) for face in faces])
            return np.pad(shapes, ((0, 0), (0, 0), (0, 1))).reshape(len(faces), -1), {}
        landmarks = np.stack([face.landmarks for face in faces])
        fits = fit_heads(landmarks, [face.age for face in faces], [face.sex for face in faces])
        return fits.points.reshape(len(faces), -1), fits.failures

    def _path(self, face: _Face) -> Path | None:
        if self._cache is None:
            return None
        known = [self._settings, pixels_key(face.image), face.landmarks.tolist(), face.age, face.sex]
        key = sha256(json.dumps(known).encode()).hexdigest()
        return self._cache / key[:2] / f"{key}.npy"


def _read_row(path: Path | None) -> Matrix | None:
    if path is None or not path.exists():
        return None
    row: Matrix = np.load(path, allow_pickle=False)
    return row


def _write_row(path: Path | None, row: Matrix) -> None:
    if path is not None:
        buffer = io.BytesIO()
        np.save(buffer, row)
        create_private_file(path, buffer.getvalue())
