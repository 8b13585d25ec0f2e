"""Report of a command on photographs: a table with a line for each of them, and a sheet of all pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from core.atomic_files import write_file
from core.csv_reports import format_csv
from core.errors import GestaltError
from core.progress import Progress
from editing.face_editor import FaceEditor
from editing.photograph_files import InvertedPhotograph, invert_photographs, list_photographs
from faces.contact_sheets import contact_sheet
from faces.images import Pixels, encode_png
from gestaltgen.cli.images.inversion_options import InversionOptions
from inversion.methods import InversionMethod

SHEET_ROWS: Final = 40
"""Photographs that a sheet shows, at most."""

LineT = TypeVar("LineT")
"""Line of the table, a dataclass."""


@dataclass(frozen=True)
class Sheet:
    """Sheet of pictures, a row for each photograph.

    Attributes:
        file: PNG file to write.
        titles: of the columns.
        footer: statement of what the pictures are.
    """

    file: Path
    titles: Sequence[str]
    footer: str


def report_photographs(
    photographs: Sequence[Path],
    face_editor: FaceEditor,
    by: InversionMethod,
    inversion: InversionOptions,
    process: Callable[[InvertedPhotograph], tuple[LineT, list[Pixels]]],
    refuse: Callable[[str, str, str], LineT],
    table: Path,
    sheet: Sheet,
    progress: Progress,
) -> list[LineT]:
    """Invert photographs, process each, and write the table after each of them and the sheet at the end.

    Args:
        photographs: files, or folders of them.
        process: returns the line of an inverted photograph, and its pictures for the sheet.
        refuse: makes the line of a photograph that cannot be used, of its path, "refused" and the reason.
        table: CSV file to write.

    Raises:
        DatasetError, ConfigError: as `list_photographs` and `invert_photographs`.
    """
    lines: list[LineT] = []
    rows: list[list[Pixels]] = []
    by_hand = inversion.read_landmarks()
    work = list_photographs(photographs)
    for path, result in invert_photographs(
        work, face_editor, by, process, aligned=inversion.aligned, landmarks=by_hand, progress=progress
    ):
        if isinstance(result, GestaltError):
            lines.append(refuse(str(path), "refused", str(result)))
        else:
            lines.append(result[0])
            rows.append(result[1])
        write_file(table, format_csv(lines).encode())
    if rows:
        pictures = contact_sheet(rows[:SHEET_ROWS], column_titles=sheet.titles, footer=sheet.footer)
        write_file(sheet.file, encode_png(pictures))
    return lines
