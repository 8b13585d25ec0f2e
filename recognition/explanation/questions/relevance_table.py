"""Table of the relevance of facial regions: one value for each fold, face, method and region."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from core.csv_reports import restore_cell
from core.errors import DatasetError
from faces.datasets.records import Record

Floats = npt.NDArray[np.float64]

_COLUMNS: Final = ("file", "method", "region", "relevance")


@dataclass(frozen=True)
class RelevanceTable:
    """Relevance of the regions of faces whose condition and person are known.

    Attributes:
        faces: record of each face.
        methods, regions: names.
        values: (folds, faces, methods, regions) float64; NaN where a face lacks a region.
    """

    faces: tuple[Record, ...]
    methods: tuple[str, ...]
    regions: tuple[str, ...]
    values: Floats

    @property
    def persons(self) -> tuple[str, ...]:
        """The persons in the order of their first faces; a face without one counts as a person."""
        return tuple(dict.fromkeys(_name_person(face) for face in self.faces))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The condition of each person."""
        known = {_name_person(face): face.condition or "" for face in self.faces}
        return tuple(known[person] for person in self.persons)

    def average_persons(self) -> Floats:
        """Compute the mean over the faces of each person, (folds, persons, methods, regions)."""
        rows: dict[str, list[int]] = {}
        for row, face in enumerate(self.faces):
            rows.setdefault(_name_person(face), []).append(row)
        return np.stack([self.values[:, chosen].mean(axis=1) for chosen in rows.values()], axis=1)


def _name_person(face: Record) -> str:
    return face.person or face.file


def read_relevance(path: Path, records: Sequence[Record]) -> RelevanceTable:
    """Read a CSV table with the columns file, method, region, relevance and, for several folds, fold.

    Args:
        records: records of the data set; faces without a row or a condition are left out.

    Raises:
        DatasetError: it cannot be read, lacks a column, has a value that is no number, or a file of another data set.
    """
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}); expected a CSV table of relevances") from error
    if not rows or (missing := [name for name in _COLUMNS if name not in rows[0]]):
        lacking = ", ".join(missing) if rows else "all rows"
        raise DatasetError(f"{path} lacks {lacking}; expected the columns {', '.join(_COLUMNS)}")
    files = {restore_cell(row["file"]) for row in rows}
    faces = tuple(record for record in records if record.file in files and record.condition is not None)
    if unknown := files - {record.file for record in records}:
        raise DatasetError(
            f"{path} has the file {min(unknown)}, which the data set lacks; expected a table of its faces"
        )
    places = [
        {name: place for place, name in enumerate(dict.fromkeys(names))}
        for names in (
            (row.get("fold") or "" for row in rows),
            (face.file for face in faces),
            (row["method"] for row in rows),
            (row["region"] for row in rows),
        )
    ]
    values = np.full([len(names) for names in places], np.nan)
    for line, row in enumerate(rows, 2):
        file = restore_cell(row["file"])
        if file in places[1]:
            keys = (row.get("fold") or "", file, row["method"], row["region"])
            try:
                values[tuple(names[key] for names, key in zip(places, keys, strict=True))] = float(row["relevance"])
            except (TypeError, ValueError) as error:
                raise DatasetError(f"{path}, line {line}: relevance {row['relevance']!r}; expected a number") from error
    return RelevanceTable(faces, tuple(places[2]), tuple(places[3]), values)
