"""Survey packs of `gestaltgen stimuli` and of the service, read from a folder or a zip."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.errors import DatasetError
from core.formats.archives import Store, open_store
from core.formats.face_areas import AREAS, Area
from studies.answers.csv_rows import SIDES, CsvTable, decode_text, name_lines, parse_cells
from studies.answers.key import parse_answer_key
from studies.packs.pictures import Picture, StudyPack

NOTICE: Final = "The pictures are synthetic or edited, and no photographs. None is a basis for a diagnosis."

KEY: Final = "key/answers.csv"
_AREAS: Final = "areas.csv"
_AREA_COLUMNS: Final = ("version", "file", "area", *SIDES)
_CODE: Final = re.compile(r"[A-Z]_[0-9a-f]{8}")
_MOST_BYTES: Final = 16 << 20


def is_survey_pack(path: Path) -> bool:
    """Tell whether a folder or a zip is a survey pack.

    Raises:
        DatasetError: the path is neither.
    """
    store = open_store(path)
    try:
        return KEY in store.names()
    finally:
        store.close()


def read_survey_pack(path: Path) -> StudyPack:
    """Read the tables of a survey pack. The codes of its images are those that its own key has.

    Raises:
        DatasetError: it is no survey pack, or a table is not as expected.
    """
    store = open_store(path)
    try:
        if missing := [name for name in (KEY, _AREAS) if name not in store.names()]:
            raise DatasetError(f"{path} has no {missing[0]}; expected a pack of `gestaltgen stimuli` or of the service")
        key = parse_answer_key(f"{path}/{KEY}", _read_table(store, path, KEY))
        areas = _parse_areas(_read_table(store, path, _AREAS))
    finally:
        store.close()
    pictures = []
    for image in key.values():
        if not _CODE.fullmatch(image.image):
            raise DatasetError(f"{path}/{KEY}: {image.image!r} is no code of an image; expected A_ and 8 hex digits")
        version, _, stem = image.image.partition("_")
        file = f"{version}/{stem}.png"
        if {*areas.get(file, {})} != {*AREAS}:
            raise DatasetError(f"{path}/{_AREAS} lacks areas of {file}; expected {', '.join(AREAS)}: make it again")
        pictures.append(Picture(image, file, areas[file]))
    return StudyPack(path, tuple(pictures), NOTICE)


def _read_table(store: Store, path: Path, name: str) -> CsvTable:
    source = f"{path}/{name}"
    return name_lines(source, parse_cells(source, decode_text(source, store.read(name, _MOST_BYTES))))


def _parse_areas(table: CsvTable) -> Mapping[str, Mapping[str, Area]]:
    if missing := [name for name in _AREA_COLUMNS if name not in table.header]:
        raise DatasetError(f"{_AREAS} has no column {missing[0]}; make the pack again with this version")
    areas: dict[str, dict[str, Area]] = {}
    for row in table.rows:
        left, top, right, bottom = map(int, row.require_sides(whole=True))
        file = f"{row.require('version')}/{row.require('file')}"
        areas.setdefault(file, {})[row.require("area")] = left, top, right, bottom
    return areas
