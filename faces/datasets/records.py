"""Records of the faces of a data set: one row of its table `labels.csv`."""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import DatasetError, LabelError
from faces.labels import AGE_GROUPS, CONDITIONS, AgeGroup, find_age_group

PHANTOMS: Final = "faces.phantom"
"""Source of phantoms in the records of a data set. The origin of a network last trained on phantoms ends with it."""


@dataclass(frozen=True)
class Record:
    """Record of one face. Anything but the file may be unknown (None, an empty cell).

    Attributes:
        file: name within the data set, or relative to the folder of photographs.
        condition: one of the vocabulary's conditions.
        age_years: age in years, 0 or more.
        age_group: one of the vocabulary's age groups; derived from age_years if that is known.
        expression: smile from 0 (none) to 1 (full).
        person: identifier of the person, equal for pictures of the same person.
        source: where the picture comes from.
        licence: licence of the picture.
        sex: one of SEXES.
        ancestry: ancestry, in the words of the source.
        present, absent: ids of HPO terms that were observed, and that were looked for and not found.
        disease: disease as the source names it, an identifier first if there is one. It is known for people whose
            disease is not in the vocabulary too.
        age_source: None for an age as it was given, "range" for the middle of a range, "estimated" for the reading of a
            network.
        others: further columns of the table, which are kept as they are.
    """

    file: str = ""
    condition: str | None = None
    age_years: float | None = None
    age_group: str | None = None
    expression: float | None = None
    person: str | None = None
    source: str | None = None
    licence: str | None = None
    sex: str | None = None
    ancestry: str | None = None
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    disease: str | None = None
    age_source: str | None = None
    others: Mapping[str, str] = field(default_factory=dict, hash=False)


COLUMNS: Final = tuple(field.name for field in fields(Record) if field.name != "others")

SEXES: Final = ("female", "male", "other")
AGE_SOURCES: Final = ("range", "estimated")

_ALWAYS_WRITTEN: Final = COLUMNS[:8]
"""Columns of every table; the others are written if a record has a value there."""

_CLOSE: Final = 0.8
"""Similarity in [0, 1] at which one name is regarded as a misspelling of the other."""


@dataclass(frozen=True)
class Table:
    """Rows of a table, and those of its columns that are kept without being used."""

    records: tuple[Record, ...]
    other_columns: tuple[str, ...]


def encode_label(
    record: Record, conditions: tuple[str, ...] = CONDITIONS, ages: tuple[AgeGroup, ...] = AGE_GROUPS
) -> npt.NDArray[np.float32]:
    """Encode a record's condition and age group, each one-hot, or uniform if it is not known.

    Returns:
        (len(conditions) + len(ages),) float32.
    """
    names = tuple(group.name for group in ages)
    return np.concatenate([_mix(record.condition, conditions), _mix(record.age_group, names)])


def _mix(name: str | None, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    weights = [1 / len(names) if name is None else float(name == known) for known in names]
    return np.array(weights, dtype=np.float32)


def decode_label(
    file: str,
    label: npt.NDArray[np.floating],
    conditions: tuple[str, ...] = CONDITIONS,
    ages: tuple[AgeGroup, ...] = AGE_GROUPS,
) -> Record:
    """Return the record of a label vector. Fields are None where the label is a mix or of another vocabulary."""
    if label.shape != (len(conditions) + len(ages),):
        return Record(file)
    first, second = label[: len(conditions)], label[len(conditions) :]
    condition = conditions[int(first.argmax())] if first.max() == 1 else None
    age_group = ages[int(second.argmax())].name if second.max() == 1 else None
    return Record(file, condition=condition, age_group=age_group)


def write_table(records: Iterable[Record]) -> str:
    """Write records as CSV text with a header; unknown values are empty cells."""
    records = [*records]
    columns = [name for name in COLUMNS if name in _ALWAYS_WRITTEN or any(getattr(record, name) for record in records)]
    others = dict.fromkeys(column for record in records for column in record.others)
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, *others], lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: _to_cell(getattr(record, name)) for name in columns} | dict(record.others) for record in records
    )
    return text.getvalue()


def _to_cell(value: object) -> object:
    return ";".join(value) if isinstance(value, tuple) else value


def read_table(
    data: bytes,
    name: str,
    *,
    conditions: tuple[str, ...] = CONDITIONS,
    ages: tuple[AgeGroup, ...] = AGE_GROUPS,
    columns: Mapping[str, str] | None = None,
) -> Table:
    """Read the rows of a CSV table with a header, in their order.

    Args:
        data: the table's content in UTF-8; only the column `file` is required.
        name: name of the table in errors.
        columns: the table's own column names for ours, as {"years": "age_years"}.

    Raises:
        DatasetError: a missing, misspelt or doubled column, a file listed twice, an unknown condition or age group,
            something that is not a number or out of range, an age group that its age contradicts.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{name} is not UTF-8 text ({error}); save it as CSV in UTF-8") from error
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        header = check_header(reader.fieldnames or (), name, columns or {})
        reader.fieldnames = header
        records: dict[str, Record] = {}
        for cells in reader:
            row = TableRow(name, reader.line_num, cells)
            record = row.to_record(conditions, ages)
            if record.file in records:
                raise row.error("file", "is listed twice", "keep one of the two rows")
            records[record.file] = record
    except csv.Error as error:
        raise DatasetError(f"{name}, row {reader.line_num}: {error}; expected comma-separated text") from error
    return Table(tuple(records.values()), tuple(column for column in header if column not in COLUMNS))


def check_header(found: Sequence[str], name: str, columns: Mapping[str, str]) -> list[str]:
    """Check the names of a table's columns, and return ours for them.

    Raises:
        DatasetError: a missing, misspelt or doubled column.
    """
    header = [columns.get(column.strip(), column.strip()) for column in found]
    if unknown := set(columns) - {column.strip() for column in found}:
        raise DatasetError(f"{name} has no column {min(unknown)!r} to rename; it has {', '.join(found)}")
    if twice := [column for column in header if column and header.count(column) > 1]:
        raise DatasetError(f"{name} has the column {twice[0]!r} more than once; keep one")
    if "file" not in header:
        raise DatasetError(
            f"{name} has the columns {', '.join(header) or '(none)'}; expected a comma-separated table with "
            f"the column 'file' and any of {', '.join(COLUMNS[1:])}"
        )
    _check_misspelt(header, name)
    return header


def _check_misspelt(header: list[str], name: str) -> None:
    """Refuse a column whose name is close to that of a known column which the table lacks."""
    absent = [column for column in COLUMNS if column not in header]
    for column in header:
        if column in COLUMNS:
            continue
        normalised = column.lower().replace(" ", "_").replace("-", "_")
        if close := difflib.get_close_matches(normalised, absent, n=1, cutoff=_CLOSE):
            raise DatasetError(
                f"{name} has the column {column!r}; did you mean {close[0]!r}? Correct its name, or say which column "
                f"it is: --column {column}={close[0]}. If it is something else, rename it to something less like it"
            )


@dataclass(frozen=True)
class TableRow:
    """Cells of one row by our names of columns, and the errors about them.

    Attributes:
        table: name of the table in errors.
        number: number of the row, or of the line.
    """

    table: str
    number: int
    cells: Mapping[str, str | None]

    def error(self, column: str, problem: str, remedy: str) -> DatasetError:
        value = self.cells.get(column)
        return DatasetError(f"{self.table}, row {self.number}, column {column}: {value!r} {problem}; {remedy}")

    def text(self, column: str) -> str | None:
        return (self.cells.get(column) or "").strip() or None

    def one_of(self, column: str, names: tuple[str, ...], otherwise: str = "an empty cell") -> str | None:
        value = self.text(column)
        if value is not None and value not in names:
            raise self.error(column, "is unknown", f"expected one of {', '.join(names)}, or {otherwise}")
        return value

    def number_within(self, column: str, high: float, unit: str) -> float | None:
        value = self.text(column)
        try:
            number = None if value is None else float(value)
        except ValueError:
            number = math.nan
        if number is not None and not (math.isfinite(number) and 0 <= number <= high):
            top = "or more" if high == math.inf else f"to {high:g}"
            raise self.error(column, "does not fit", f"expected {unit}, 0 {top}, or an empty cell")
        return number

    def to_record(self, conditions: tuple[str, ...] = CONDITIONS, ages: tuple[AgeGroup, ...] = AGE_GROUPS) -> Record:
        """Convert the cells to a record.

        Raises:
            DatasetError: a value that its column cannot have.
        """
        if None in self.cells:
            raise DatasetError(f"{self.table}, row {self.number} has more cells than columns; quote cells with commas")
        file = self.text("file")
        if file is None:
            raise self.error("file", "is empty", "name the picture, or delete the row")
        years = self.number_within("age_years", math.inf, "an age in years")
        return Record(
            file=file,
            condition=self.one_of("condition", conditions, "a set of another vocabulary (--conditions)"),
            age_years=years,
            age_group=self._find_age_group(years, ages),
            expression=self.number_within("expression", 1, "a smile"),
            person=self.text("person"),
            source=self.text("source"),
            licence=self.text("licence"),
            sex=self.one_of("sex", SEXES),
            ancestry=self.text("ancestry"),
            present=self._list("present"),
            absent=self._list("absent"),
            disease=self.text("disease"),
            age_source=self.one_of("age_source", AGE_SOURCES),
            others={column: text for column in self.cells if column not in COLUMNS and (text := self.text(column))},
        )

    def _list(self, column: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in (self.text(column) or "").split(";") if part.strip())

    def _find_age_group(self, years: float | None, ages: tuple[AgeGroup, ...]) -> str | None:
        age_group = self.one_of("age_group", tuple(group.name for group in ages))
        if years is None:
            return age_group
        try:
            derived = find_age_group(years, ages).name
        except LabelError as error:
            raise self.error("age_years", "is in no age group", str(error)) from error
        if age_group not in (None, derived):
            raise self.error("age_group", f"contradicts age_years {years:g}", f"expected {derived}, or empty")
        return derived
