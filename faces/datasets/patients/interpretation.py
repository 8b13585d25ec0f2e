"""Interpretation of rows about patients: conditions, ages, HPO terms and sex become those of a record.

Nothing is dropped silently: a row that cannot be used is refused, and whatever is changed or left unknown is noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from core.errors import DatasetError, LabelError
from faces.conditions.catalogue import Catalogue
from faces.conditions.terms import find_term
from faces.datasets.patients.ages import parse_age, parse_age_range
from faces.datasets.patients.phenopackets import AGE_RANGE
from faces.datasets.patients.source_rows import SourceRow
from faces.datasets.records import Record, TableRow
from faces.labels import AgeGroup, find_age_group

SEX_WORDS: Final = {
    **dict.fromkeys(("f", "female", "woman", "girl"), "female"),
    **dict.fromkeys(("m", "male", "man", "boy"), "male"),
    **dict.fromkeys(("other", "other_sex", "intersex"), "other"),
    **dict.fromkeys(("", "unknown", "unknown_sex", "na", "n/a", "-"), ""),
}

_HPO_ID: Final = re.compile(r"HP[:_]\d{7}", re.IGNORECASE)


@dataclass(frozen=True)
class Notice:
    """Statement about a row.

    Attributes:
        source, line: where the row stands.
        file: picture that it is about; empty if that is not known.
        refused: whether the row is not used.
        reason: in a few words, the same for all rows that it concerns.
        detail: the values, what was expected, and what is done.
    """

    source: str
    line: int
    file: str
    refused: bool
    reason: str
    detail: str


class RowInterpreter:
    """Converter of rows to records of one vocabulary.

    Args:
        conditions, ages: the vocabulary.
        catalogue: knows the conditions by other names and identifiers.

    Attributes:
        notices: what was refused, changed or left unknown so far.
    """

    def __init__(self, conditions: tuple[str, ...], ages: tuple[AgeGroup, ...], catalogue: Catalogue) -> None:
        self.notices: list[Notice] = []
        self._conditions, self._ages, self._catalogue = conditions, ages, catalogue
        known = {name: catalogue.find(name) for name in conditions}
        self._names = {entry.name: name for name, entry in known.items() if entry is not None}

    def interpret(self, rows: Iterator[SourceRow]) -> Iterator[Record]:
        """Yield the record of each row that can be used. A picture that is listed twice is refused the second time."""
        files = set()
        for row in rows:
            notes: list[tuple[str, str]] = []
            try:
                if row.problem:
                    raise DatasetError(row.problem)
                record = self._interpret(row, notes)
                if record.file in files:
                    raise DatasetError(f"{record.file} is listed twice; keep one of the two rows")
                files.add(record.file)
            except (DatasetError, LabelError) as error:
                self._note(row, "bad row", str(error), refused=True)
                continue
            for reason, detail in notes:
                self._note(row, reason, detail)
            yield record

    def _note(self, row: SourceRow, reason: str, detail: str, *, refused: bool = False) -> None:
        file = row.cells.get("file", "")
        self.notices.append(Notice(row.source, row.line, file, refused, reason, detail))

    def _interpret(self, row: SourceRow, notes: list[tuple[str, str]]) -> Record:
        cells = dict(row.cells)
        cells["file"] = _check_file(cells.get("file", ""))
        cells |= self._name_condition(cells, notes)
        cells |= self._read_age(cells, notes)
        for column in ("present", "absent"):
            cells[column] = ";".join(_check_terms(cells.get(column, ""), notes))
        sex = cells.get("sex", "").strip().casefold()
        if sex not in SEX_WORDS:
            notes.append(("unknown sex", f"sex {sex!r} is left unknown; expected female, male or other"))
        cells["sex"] = SEX_WORDS.get(sex, "")
        return TableRow(row.source, row.line, cells).to_record(self._conditions, self._ages)

    def _name_condition(self, cells: Mapping[str, str], notes: list[tuple[str, str]]) -> dict[str, str]:
        """Return condition and disease: the condition is the vocabulary's name, and the disease what the row says."""
        texts = [text for column in ("condition", "disease") if (text := cells.get(column, ""))]
        names = [name for text in texts if (name := self._find_condition(text)) is not None]
        if len(set(names)) > 1:
            raise DatasetError(f"names two conditions, {' and '.join(texts)}; expected one")
        if names:
            said = cells.get("disease") or (texts[0] if texts[0] != names[0] else "")
            return {"condition": names[0], "disease": said}
        if texts:
            detail = f"{texts[0]!r} is not in the vocabulary {', '.join(self._conditions)}; its condition is unknown"
            notes.append(("condition not in the vocabulary", f"{detail}. Name it in --conditions to use it"))
        return {"condition": "", "disease": texts[-1] if texts else ""}

    def _find_condition(self, text: str) -> str | None:
        """Find the vocabulary's name of a condition by name, alias or identifier, or `IDENTIFIER label`."""
        if text in self._conditions:
            return text
        identifier, _, label = text.partition(" ")
        for candidate in (text, identifier if ":" in identifier else "", label):
            entry = self._catalogue.find(candidate) if candidate else None
            if entry is not None and entry.name in self._names:
                return self._names[entry.name]
        return None

    def _read_age(self, cells: Mapping[str, str], notes: list[tuple[str, str]]) -> dict[str, str]:
        """Return age_years, and age_source for a range: its middle, if both ends are in one age group."""
        text, period = cells.get("age_years", ""), cells.get(AGE_RANGE, "")
        if "/" in text:
            text, period = "", text
        if text:
            return {"age_years": str(parse_age(text))}
        if not period:
            if "age_years" in cells and not cells.get("age_group"):
                notes.append(("no age", "the age is unknown; --estimate-ages reads it from the picture"))
            return {}
        youngest, oldest = parse_age_range(period)
        if find_age_group(youngest, self._ages) != find_age_group(oldest, self._ages):
            notes.append(("wide range of ages", f"{period} spans several age groups; the age is left unknown"))
            return {"age_years": "", AGE_RANGE: period}
        return {"age_years": str((youngest + oldest) / 2), "age_source": "range", AGE_RANGE: period}


def _check_file(name: str) -> str:
    """Check that a picture is named, and lies in the folder of photographs; return its path there."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not name:
        raise DatasetError("names no picture; name it, or delete the row")
    if path.is_absolute() or ".." in path.parts or ":" in name:
        raise DatasetError(f"picture {name!r} lies outside the folder of photographs; expected a path within it")
    return path.as_posix()


def _check_terms(text: str, notes: list[tuple[str, str]]) -> Sequence[str]:
    """Return the current ids of the terms in a cell: ids however they are separated, labels with `;` between."""
    parts = [part.strip() for part in text.split(";") if part.strip()]
    terms = []
    for name in (name for part in parts for name in _HPO_ID.findall(part) or [part]):
        try:
            match = find_term(name)
        except LabelError as error:
            notes.append(("unknown HPO term", f"{error}; it is left out"))
            continue
        if match.obsolete_id is not None:
            detail = f"{match.obsolete_id} is obsolete; {match.term.id} ({match.term.label}) is used instead"
            notes.append(("obsolete HPO term", detail))
        terms.append(match.term.id)
    return list(dict.fromkeys(terms))
