"""CSV reports of dataclasses, one line each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Any


def format_csv(lines: Sequence[Any]) -> str:
    """Return CSV text of one or more dataclasses of one kind; the header has the names of their fields."""
    text = io.StringIO()
    names = [field.name for field in fields(lines[0])]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    table.writerows([getattr(line, name) for name in names] for line in lines)
    return text.getvalue()
