"""Reports as tables: dataclasses, one for each line."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from typing import Any


def report_csv(lines: Sequence[Any]) -> str:
    """Lines of a report, one or more dataclasses of one kind, as CSV text with their fields as header."""
    text = io.StringIO()
    names = [field.name for field in fields(lines[0])]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    table.writerows([getattr(line, name) for name in names] for line in lines)
    return text.getvalue()
