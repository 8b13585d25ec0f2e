"""Labelled data set of square pictures: a folder or a zip, in a format that NVIDIA's StyleGAN tools read too.

It holds PNGs, `dataset.json` (a label vector per file, and the vocabulary it is written in) and `labels.csv`
(the record of each face). A set without `labels.csv`, as those tools make it, can also be read.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError, LabelError, UnreadableImageError
from core.formats.archives import open_sink, open_store
from core.formats.arrays import read_array
from faces.conditions.catalogue import Identifiers, identify_by_name
from faces.datasets.records import Record, decode_label, encode_label, read_table, write_table
from faces.images import Pixels, encode_png, pixels_key, read_image
from faces.labels import AGE_GROUPS, CONDITIONS, AgeGroup

UNKNOWN: Final = "unknown"
"""Key of `Dataset.counts` for faces whose condition or age group is not known."""

LABELS: Final = "dataset.json"
TABLE: Final = "labels.csv"
LANDMARKS: Final = "landmarks.npy"

_MOST_CLASSES: Final = 10_000
_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


class Dataset:
    """Data set opened for reading. Pictures are in the order of their names, as NVIDIA's tools sort them.

    Attributes:
        path: the folder or zip.
        conditions, ages: the vocabulary of its labels.
        identifiers: identifiers of the conditions in OMIM, ORPHA and MONDO; for a set that has none, those of the
            shipped catalogue for conditions of the same name.
        records: one Record per picture.
        labels: (n, c) float32 label vectors, or None for a set without any. With `labels.csv` they follow
            from it, otherwise they are those of `dataset.json` (an integer class becomes one-hot).
        size: side of the pictures in pixels.

    Usable as a context manager; do not share an instance with forked processes, open the set in each.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._store = open_store(self.path)
        names = self._store.names()
        self._files = sorted(name for name in names if PurePosixPath(name).suffix.lower() in _SUFFIXES)
        if not self._files:
            raise DatasetError(f"{path} holds no pictures; expected a folder or zip of PNGs with {LABELS}")
        meta = self._json() if LABELS in names else {}
        self.conditions, self.ages, self.identifiers = _vocabulary(meta.get("vocabulary"), f"{path}/{LABELS}")
        given = self._read_labels(meta.get("labels"))
        if TABLE in names:
            self.records = self._table_records()
            self.labels: npt.NDArray[np.float32] | None = np.stack(
                [encode_label(record, self.conditions, self.ages) for record in self.records]
            )
            self._check_agreement(given)
        else:
            self.labels = given
            self.records = tuple(
                Record(file) if given is None else decode_label(file, given[index], self.conditions, self.ages)
                for index, file in enumerate(self._files)
            )
        self._has_landmarks = LANDMARKS in names
        self.size = 0
        self.size = len(self.image(0))

    @staticmethod
    def open(path: Path | str) -> Dataset:
        """Open a folder or a zip.

        Raises:
            DatasetError: the path is neither, holds no pictures, or has labels of another format; the message names
                file, row, column, value and remedy.
        """
        return Dataset(path)

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> Pixels:
        """Read one picture, uint8 (size, size, 3) RGB.

        Raises:
            DatasetError: the picture cannot be decoded, is not square or differs from the first in size.
        """
        file = self._files[index]
        try:
            image = read_image(self._store.read(file))
        except UnreadableImageError as error:
            raise DatasetError(f"{self.path}/{file}: {error}") from error
        height, width = image.shape[:2]
        if height != width or self.size not in (0, height):
            side = self.size or "any side"
            raise DatasetError(
                f"{self.path}/{file} is {width} x {height} pixels; expected squares of {side}, all alike: "
                "`gestaltgen dataset prepare` makes them"
            )
        return image

    def picture_file(self, index: int) -> bytes:
        """Read the file of one picture, with what it says about itself."""
        return self._store.read(self._files[index])

    def key(self, index: int) -> str:
        """Return the key of the picture (`faces.images.pixels_key`). It raises the errors of `image`."""
        return pixels_key(self.image(index))

    def images(self) -> Pixels:
        """Read all pictures into memory: uint8 (n, size, size, 3)."""
        stack = np.empty((len(self), self.size, self.size, 3), dtype=np.uint8)
        for index in range(len(self)):
            stack[index] = self.image(index)
        return stack

    def record(self, index: int) -> Record:
        return self.records[index]

    def landmarks(self) -> npt.NDArray[np.float32] | None:
        """Read the landmarks, (n, 68, 2) float32 in pixels of the pictures, iBUG order; None if the set has none."""
        if not self._has_landmarks:
            return None
        try:
            points: npt.NDArray[np.float32] = read_array(self._store.read(LANDMARKS))
        except (ValueError, OSError) as error:
            raise DatasetError(f"{self.path}/{LANDMARKS} is no array ({error}); write the set again") from error
        if points.shape != (len(self), 68, 2):
            raise DatasetError(f"{self.path}/{LANDMARKS} is {points.shape}; expected {(len(self), 68, 2)}")
        return points

    def other_file(self, name: str) -> bytes | None:
        """Read another file of the set, as its author left it; return None if there is none."""
        return self._store.read(name) if name in self._store.names() else None

    def counts(self, records: Collection[Record] | None = None) -> dict[str, dict[str, int]]:
        """Count the pictures of each condition and age group, zeros included; `UNKNOWN` counts unlabelled ones, if any.

        Args:
            records: some of the pictures; None for all.
        """
        records = self.records if records is None else records
        conditions, ages = [*self.conditions], [group.name for group in self.ages]
        if any(record.condition is None for record in records):
            conditions.append(UNKNOWN)
        if any(record.age_group is None for record in records):
            ages.append(UNKNOWN)
        counts = {condition: dict.fromkeys(ages, 0) for condition in conditions}
        for record in records:
            counts[record.condition or UNKNOWN][record.age_group or UNKNOWN] += 1
        return counts

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _json(self) -> dict[str, Any]:
        try:
            meta = json.loads(self._store.read(LABELS))
        except (ValueError, RecursionError) as error:
            raise DatasetError(f"{self.path}/{LABELS} is not JSON ({error}); write the set again") from error
        if not isinstance(meta, dict):
            raise DatasetError(f"{self.path}/{LABELS} is not an object; expected {{'labels': [[file, label]]}}")
        return meta

    def _read_labels(self, entries: Any) -> npt.NDArray[np.float32] | None:
        if not entries:
            return None
        where = f"{self.path}/{LABELS}"
        try:
            labels = {str(file): label for file, label in entries}
            values = np.array([labels[file] for file in self._files])
        except KeyError as error:
            raise DatasetError(f"{where} has no label for {error}; label every picture, or none") from error
        except (TypeError, ValueError) as error:
            raise DatasetError(f"{where}: labels are not [file, label] of one form each ({error})") from error
        if absent := set(labels) - set(self._files):
            raise DatasetError(f"{where} labels {min(absent)!r}, which is not in the set; remove the entry")
        if len(labels) != len(entries):
            raise DatasetError(f"{where} labels one file twice; keep one entry per file")
        if values.ndim == 1 and np.issubdtype(values.dtype, np.integer) and values.min() >= 0:
            if values.max() >= _MOST_CLASSES:
                raise DatasetError(f"{where} has a label {values.max()}; expected classes below {_MOST_CLASSES}")
            one_hot: npt.NDArray[np.float32] = np.eye(int(values.max()) + 1, dtype=np.float32)[values]
            return one_hot
        if values.ndim != 2 or not np.issubdtype(values.dtype, np.number):
            raise DatasetError(f"{where}: labels are {values.dtype} {values.shape}; expected int or float vectors")
        if not np.isfinite(values).all():
            raise DatasetError(f"{where} has labels that are not finite; expected numbers in [0, 1]")
        return values.astype(np.float32)

    def _table_records(self) -> tuple[Record, ...]:
        name = f"{self.path}/{TABLE}"
        table = read_table(self._store.read(TABLE), name, conditions=self.conditions, ages=self.ages)
        records = {record.file: record for record in table.records}
        if absent := set(records) - set(self._files):
            raise DatasetError(f"{name}, column file: {min(absent)!r} is not in the set; add it or delete the row")
        if missing := set(self._files) - set(records):
            raise DatasetError(f"{name} has no row for {min(missing)!r}; add one (its cells may be empty)")
        return tuple(records[file] for file in self._files)

    def _check_agreement(self, given: npt.NDArray[np.float32] | None) -> None:
        if given is None or self.labels is None:
            return
        same = given.shape == self.labels.shape and np.isclose(given, self.labels, atol=1e-4).all(axis=1)
        if not np.all(same):
            file = self._files[0 if isinstance(same, bool) else int(np.argmin(same))]
            raise DatasetError(
                f"{self.path}: {LABELS} and {TABLE} contradict each other on {file!r}; correct one, or "
                f"delete {LABELS} to let the table count"
            )


class DatasetWriter:
    """Writes a data set picture by picture, beside the target. It is renamed when complete, and deleted after an error.

    The same pictures and records give the same bytes. Use as a context manager.

    Args:
        path: ends in .zip for a zip, else a folder; must not exist yet.
        conditions, ages: the vocabulary of the labels.
        identifiers: identifiers of the conditions; None takes those of the shipped catalogue for the same names.

    Raises:
        DatasetError: the path exists.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        conditions: tuple[str, ...] = CONDITIONS,
        ages: tuple[AgeGroup, ...] = AGE_GROUPS,
        identifiers: Identifiers | None = None,
    ) -> None:
        self.path = Path(path)
        if self.path.exists():
            raise DatasetError(f"{path} exists already; choose another name, or delete it first")
        self.conditions, self.ages = conditions, ages
        self.identifiers = identify_by_name(conditions) if identifiers is None else identifiers
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._sink = open_sink(self.path)
        self._records: list[Record] = []
        self._landmarks: list[npt.NDArray[np.float32]] = []
        self._size = 0

    def __len__(self) -> int:
        return len(self._records)

    def add(
        self,
        image: Pixels | bytes,
        record: Record | None = None,
        landmarks: npt.NDArray[np.floating] | None = None,
    ) -> Record:
        """Append a square picture.

        Args:
            image: uint8 (size, size, 3) RGB, or the bytes of its PNG.
            record: record of the picture; its `file` is replaced by the name in the set.
            landmarks: (68, 2) in pixels of the picture; for all pictures or for none.

        Returns:
            The record with its file name.

        Raises:
            DatasetError: the picture is not square, its size is not that of the first, or its label is not in the
                vocabulary.
        """
        png = image if isinstance(image, bytes) else encode_png(image)
        width, height = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
        self._size = self._size or width
        if not width == height == self._size:
            raise DatasetError(f"picture is {width} x {height} pixels; expected squares of {self._size}")
        index = len(self._records)
        record = replace(record or Record(), file=f"{index // 1000:05d}/img{index:08d}.png")
        self._check_vocabulary(record)
        self._sink.write(record.file, png)
        self._records.append(record)
        if landmarks is not None:
            self._landmarks.append(landmarks.astype(np.float32))
        return record

    def add_file(self, name: str, data: bytes) -> None:
        """Add another file to the set, for example a table of further true attributes."""
        self._sink.write(name, data)

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._sink.discard()

    def _check_vocabulary(self, record: Record) -> None:
        names = [group.name for group in self.ages]
        for value, accepted in ((record.condition, self.conditions), (record.age_group, names)):
            if value is not None and value not in accepted:
                raise DatasetError(f"{value!r} is not in the vocabulary; expected one of {', '.join(accepted)}")

    def _finish(self) -> None:
        if not self._records:
            raise DatasetError(f"no picture for {self.path}; nothing was written")
        if self._landmarks:
            if len(self._landmarks) != len(self._records):
                raise DatasetError("some pictures have landmarks and some have none; give all or none")
            buffer = io.BytesIO()
            np.save(buffer, np.stack(self._landmarks))
            self._sink.write(LANDMARKS, buffer.getvalue())
        self._sink.write(TABLE, write_table(self._records).encode())
        self._sink.write(LABELS, self._labels_json().encode())
        self._sink.commit()

    def _labels_json(self) -> str:
        vectors = [encode_label(record, self.conditions, self.ages) for record in self._records]
        known = any(record.condition or record.age_group for record in self._records)
        labels = [
            [record.file, [round(float(weight), 7) for weight in vector]]
            for record, vector in zip(self._records, vectors, strict=True)
        ]
        ages = [
            {
                "name": group.name,
                "from_years": group.from_years,
                "to_years": None if group.to_years == math.inf else group.to_years,
            }
            for group in self.ages
        ]
        vocabulary = {"conditions": list(self.conditions), "ages": ages, "identifiers": self.identifiers}
        return json.dumps({"labels": labels if known else None, "vocabulary": vocabulary})


def _vocabulary(value: Any, name: str) -> tuple[tuple[str, ...], tuple[AgeGroup, ...], Identifiers]:
    if value is None:
        return CONDITIONS, AGE_GROUPS, identify_by_name(CONDITIONS)
    try:
        ages = tuple(
            AgeGroup(
                str(group["name"]),
                float(group["from_years"]),
                math.inf if group["to_years"] is None else float(group["to_years"]),
            )
            for group in value["ages"]
        )
        conditions = tuple(str(condition) for condition in value["conditions"])
        stored = value.get("identifiers", identify_by_name(conditions))
        return conditions, ages, {str(condition): dict(identifiers) for condition, identifiers in stored.items()}
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, LabelError) as error:
        raise DatasetError(
            f"{name}: 'vocabulary' has another form than expected ({error}); write the set again"
        ) from error
