"""Rating sheets: HPO terms that each clinician sees, or does not see, on each image."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.errors import DatasetError
from studies.answers.csv_rows import CsvRow, CsvTable, read_rows
from studies.answers.key import AnswerKey
from studies.answers.sessions import identifies_person, name_image

_IMAGE: Final = "image"
_RATER: Final = "rater"
_MARKS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "x", "yes", "present"), True),
    **dict.fromkeys(("0", "no", "absent"), False),
}

_TERM: Final = re.compile(r"HP:\d{7}")


@dataclass(frozen=True)
class Rating:
    """Judgement of one rater on one term and one image.

    Attributes:
        rater: pseudonym.
        image: code of the image.
        face, condition, variant: of the image, by the key.
        term: id of the HPO term if the sheet has it, or else its name as the sheet has it.
        present: whether the rater sees it.
    """

    rater: str
    image: str
    face: str
    condition: str
    variant: str
    term: str
    present: bool


@dataclass(frozen=True)
class ImportedRatings:
    """Ratings of an import, and what is missing.

    Attributes:
        ratings: those that are kept.
        blank: number of cells without a mark; they are neither present nor absent.
        unknown: places of rows about images that are not in the key.
    """

    ratings: tuple[Rating, ...]
    blank: int
    unknown: tuple[str, ...]


def import_ratings(paths: Sequence[Path], key: AnswerKey, *, blank_is_absent: bool = False) -> ImportedRatings:
    """Read sheets with one line an image and one column a term, and join them to the key.

    The rater stands in the column `rater`. A sheet without it is that of one rater, whose pseudonym is the name of the
    file. Cells are 1, x, yes or present; 0, no or absent; or empty.

    Args:
        blank_is_absent: the raters marked only what they see, so that an empty cell means absent.

    Raises:
        DatasetError: a sheet cannot be read, has other columns in another sheet's place, an unknown mark, a rater who
            is named by an address, or an image that a rater has twice.
    """
    ratings: list[Rating] = []
    unknown: list[str] = []
    blank, rated = 0, set()
    terms: tuple[str, ...] = ()
    for path in paths:
        table = read_rows(path)
        mine = _list_terms(path, table)
        if terms and {*mine.values()} != {*terms}:
            differing = min({*mine.values()} ^ {*terms})
            raise DatasetError(f"{path} differs from the sheets before it in the term {differing!r}; expected the same")
        terms = tuple(mine.values())
        for row in table.rows:
            rater = row.require(_RATER) if _RATER in table.header else path.stem
            if identifies_person(rater):
                raise DatasetError(
                    f"{row.place}: the rater is named by an e-mail or IP address; replace it by a pseudonym"
                )
            image = key.get(name_image(row.require(_IMAGE)))
            if image is None:
                unknown.append(f"{row.place}: {row.get(_IMAGE)}")
                continue
            if (rater, image.image) in rated:
                raise DatasetError(f"{row.place}: a rater rates {image.image} twice; keep one of the rows")
            rated.add((rater, image.image))
            marks = {term: _read_mark(row, column, blank_is_absent) for column, term in mine.items()}
            blank += sum(present is None for present in marks.values())
            ratings += [
                Rating(rater, image.image, image.face, image.condition, image.variant, term, present)
                for term, present in marks.items()
                if present is not None
            ]
    return ImportedRatings(tuple(ratings), blank, tuple(unknown))


def _list_terms(path: Path, table: CsvTable) -> Mapping[str, str]:
    """Return the term of each column that has one."""
    if _IMAGE not in table.header:
        raise DatasetError(f"{path} has no column {_IMAGE}; expected one line an image, and one column a term")
    terms = {column: _name_term(column) for column in table.header if column not in ("", _IMAGE, _RATER)}
    if not terms or len({*terms.values()}) < len(terms):
        raise DatasetError(f"{path} has the terms {', '.join(terms.values()) or 'none'}; expected each once")
    return terms


def _name_term(column: str) -> str:
    found = _TERM.search(column)
    return found[0] if found else column


def _read_mark(row: CsvRow, column: str, blank_is_absent: bool) -> bool | None:
    text = row.get(column).lower()
    if not text:
        return False if blank_is_absent else None
    if text not in _MARKS:
        raise row.error(column, f"one of {', '.join(_MARKS)}, or nothing")
    return _MARKS[text]
