"""Labelled data sets of faces (`gestaltgen dataset`) as pictures of a study that shows unedited faces.

`labels.csv` has the condition, age group and person of each file; `landmarks.npy`, if there is one, gives the areas of
interest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError
from core.formats.archives import Store, open_store
from core.formats.arrays import read_array
from core.formats.face_areas import Area, find_areas, unite_areas
from studies.answers.csv_rows import CsvRow, decode_text, name_lines, parse_cells
from studies.answers.key import KeyImage
from studies.packs.balanced_draws import draw_balanced, draw_codes
from studies.packs.pictures import Picture, StudyPack, read_pixels

NOTICE: Final = "The pictures are unedited faces of a data set. None is a basis for a diagnosis."

TABLE: Final = "labels.csv"
_LANDMARKS: Final = "landmarks.npy"
_MOST_BYTES: Final = 64 << 20
_MOST_PIXEL: Final = 1e6
_SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def read_face_dataset(path: Path, conditions: Sequence[str], per_condition: int, seed: int) -> StudyPack:
    """Draw faces of a data set, as evenly from its age groups as they allow, and one of each person at most.

    Args:
        conditions: of the faces; others are left out.
        per_condition: number of faces of each condition.
        seed: of the faces and their codes.

    Raises:
        DatasetError: it is no data set with a table, or has too few faces.
    """
    store = open_store(path)
    try:
        faces = _read_rows(store, path)
        landmarks = _read_landmarks(store, path, {*store.names()})
    finally:
        store.close()
    rng = np.random.default_rng(seed)
    drawn: list[CsvRow] = []
    for condition in conditions:
        rows = _keep_one_each([row for row in faces if row.get("condition") == condition], rng)
        if len(rows) < per_condition:
            raise DatasetError(
                f"{path} has {len(rows)} people with {condition}; expected {per_condition} or more: draw fewer faces"
            )
        drawn += draw_balanced(rows, lambda row: row.get("age_group"), per_condition, rng)
    codes = draw_codes(len(drawn), "I", rng)
    pictures = [Picture(_make_key(row, code), row.require("file")) for row, code in zip(drawn, codes, strict=True)]
    if landmarks:
        sizes = {code: pixels.shape[:2] for code, pixels in read_pixels(path, pictures).items()}
        pictures = [Picture(one.key, one.file, _find_areas(landmarks[one.file], *sizes[one.code])) for one in pictures]
    return StudyPack(path, tuple(pictures), NOTICE)


def list_conditions(path: Path) -> list[str]:
    """List the conditions of a data set.

    Raises:
        DatasetError: it is no data set with a table.
    """
    store = open_store(path)
    try:
        return sorted({row.require("condition") for row in _read_rows(store, path)})
    finally:
        store.close()


def _read_rows(store: Store, path: Path) -> Sequence[CsvRow]:
    """Read the table of a data set, a row for each face."""
    if TABLE not in store.names():
        raise DatasetError(f"{path} has no {TABLE}; expected a data set of `gestaltgen dataset`, or a survey pack")
    source = f"{path}/{TABLE}"
    table = name_lines(source, parse_cells(source, decode_text(source, store.read(TABLE, _MOST_BYTES))))
    if missing := {"file", "condition"} - {*table.header}:
        raise DatasetError(f"{source} has no column {min(missing)}; expected the table of a data set")
    return table.rows


def _read_landmarks(store: Store, path: Path, names: set[str]) -> Mapping[str, npt.NDArray[np.float64]]:
    """Read the landmarks by file; they are in the order of the pictures' names."""
    if _LANDMARKS not in names:
        return {}
    files = sorted(name for name in names if PurePosixPath(name).suffix.lower() in _SUFFIXES)
    try:
        points = read_array(store.read(_LANDMARKS))
    except (ValueError, OSError) as error:
        raise DatasetError(f"{path}/{_LANDMARKS} is no array ({error}); write the set again") from error
    if points.shape != (len(files), 68, 2) or points.dtype.kind != "f" or not (np.abs(points) < _MOST_PIXEL).all():
        raise DatasetError(f"{path}/{_LANDMARKS} is {points.shape}; expected {(len(files), 68, 2)} places in pixels")
    return dict(zip(files, points, strict=True))


def _find_areas(landmarks: npt.NDArray[np.float64], height: int, width: int) -> Mapping[str, Area]:
    return {name: unite_areas(area, area, width, height) for name, area in find_areas(landmarks).items()}


def _keep_one_each(rows: Sequence[CsvRow], rng: np.random.Generator) -> list[CsvRow]:
    """Keep one row of each person, drawn at random."""
    people: dict[str, CsvRow] = {}
    for at in rng.permutation(len(rows)):
        people.setdefault(_name_face(rows[at]), rows[at])
    return list(people.values())


def _name_face(row: CsvRow) -> str:
    return row.get("person") or row.require("file")


def _make_key(row: CsvRow, code: str) -> KeyImage:
    return KeyImage(
        image=code,
        face=_name_face(row),
        condition=row.require("condition"),
        variant="unedited",
        age_group=row.get("age_group"),
        smile=row.get_number("expression"),
    )
