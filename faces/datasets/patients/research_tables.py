"""Tables of other programs, in our names of columns: GestaltMatcher (GMDB), PhenoScore, Sümer et al. 2023."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from faces.datasets.patients.source_rows import SourceRow, SourceTable

GESTALTMATCHER_COLUMNS: Final = {
    "image_id": "image_id",
    "patient_id": "person",
    "subject": "person",
    "internal_syndrome_name": "disease",
    "label": "disease",
    "gender": "sex",
    "ethnicity_category": "ancestry",
    "present_features": "present",
    "absent_features": "absent",
}
"""Columns of GestaltMatcher's metadata that have another name here. The others are kept as they are, but for age_year
and age_month, which become age_years."""

CONTROL: Final = "control of PhenoScore"
"""Disease of the people whom PhenoScore compares patients with; they may have another one."""

_RATERS_TO_BE_PRESENT: Final = 2


def read_gestaltmatcher(table: SourceTable, pictures: Collection[str]) -> Iterator[SourceRow]:
    """Rename the columns of GestaltMatcher's metadata; a picture is found by its image_id.

    Args:
        pictures: names of the files in the folder of photographs. `17_aligned.jpg` and `17.png` are those of image 17.
    """
    by_id: dict[str, str] = {}
    for name in sorted(pictures, reverse=True):
        stem = PurePosixPath(name).stem
        by_id[stem] = name
        by_id.setdefault(stem.partition("_")[0], name)
    for row in table.rows:
        cells = {GESTALTMATCHER_COLUMNS.get(name, name): text for name, text in row.cells.items()}
        years, months = cells.pop("age_year", ""), cells.pop("age_month", "")
        image = cells.get("image_id", "")
        cells["file"] = by_id.get(image) or (f"{image}_aligned.jpg" if image else "")
        if (years or "0").isdecimal() and (months or "0").isdecimal():
            cells["age_years"] = f"P{years or 0}Y{months or 0}M" if years or months else ""
        else:
            cells["age_years"] = f"{years} {months}"  # reported where ages are read
        yield replace(row, cells=cells)


def read_phenoscore(table: SourceTable) -> Iterator[SourceRow]:
    """Rename the columns of PhenoScore's table: path_to_file, hpo_all (a list as Python writes it), y_label.

    A label 1 is a patient, whose condition the table does not name; a label 0 is a control.
    """
    for row in table.rows:
        cells = dict(row.cells)
        cells["file"] = cells.pop("path_to_file", "")
        label = cells.get("y_label", "")
        if label == "0":
            cells["disease"] = CONTROL
        elif label and label != "1":
            cells["disease"] = label
        try:
            terms = ast.literal_eval(cells.pop("hpo_all", "") or "[]")
            cells["present"] = ";".join(str(term) for term in terms)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            yield replace(row, problem="has no list in hpo_all; expected text such as ['HP:0000343', 'HP:0000154']")
            continue
        yield replace(row, cells=cells)


def read_annotations(table: SourceTable, find_term: Callable[[str], str | None]) -> Iterator[SourceRow]:
    """Read how many of three raters saw each feature: an empty cell, 1X, 2X or 3X.

    A feature that two or three raters saw is present, one that none saw is absent; one rater decides nothing. The
    cells themselves are kept. The name of the file names the condition.

    Args:
        find_term: returns the id of the term that a column is about, or None.
    """
    terms = {name: term for name in table.header if (term := find_term(name)) is not None}
    for row in table.rows:
        raters = {terms[name]: _count_raters(row.cells.get(name, "")) for name in terms}
        cells = {name: text for name, text in row.cells.items() if name != "image_name"}
        cells |= {
            "file": row.cells.get("image_name", ""),
            "disease": row.cells.get("syndrome", "") or Path(table.name).stem,
            "present": ";".join(term for term, seen in raters.items() if seen >= _RATERS_TO_BE_PRESENT),
            "absent": ";".join(term for term, seen in raters.items() if seen == 0),
        }
        yield replace(row, cells=cells)


def join_by_image(rows: Iterator[SourceRow], more: Mapping[str, Mapping[str, str]]) -> Iterator[SourceRow]:
    """Add the cells of other tables about the same pictures, by the name of the picture."""
    for row in rows:
        yield replace(row, cells={**more.get(row.cells.get("file", ""), {}), **row.cells})


def _count_raters(cell: str) -> int:
    digits = cell.strip().upper().removesuffix("X")
    return int(digits) if digits.isdecimal() and len(digits) == 1 else 0
