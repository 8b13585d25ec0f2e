"""CSV reports of dataclasses, one line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
"""First characters of a cell that spreadsheet programs take for a formula."""


def protect_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet program runs: text that looks like a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def restore_cell(text: str) -> str:
    """Return the text that `protect_cell` was given."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA_STARTS) else text


def format_csv(lines: Sequence[Any]) -> str:
    """Return CSV text of one or more dataclasses of one kind; the header has the names of their fields."""
    text = io.StringIO()
    names = [field.name for field in fields(lines[0])]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    table.writerows([protect_cell(getattr(line, name)) for name in names] for line in lines)
    return text.getvalue()
