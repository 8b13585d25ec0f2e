"""Section of the report about what was read from the survey program, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from core.reports.html_pages import format_section, format_table


def render_import(counts: Mapping[str, Any]) -> Markup:
    """Render the counts that `gestaltgen study import` wrote.

    Args:
        counts: JSON of `studies.answers.importer.ImportedAnswers`.
    """
    read, kept = counts["read"], counts["kept"]
    table: list[list[Any]] = [["", "sessions", "answers"], ["read", read["sessions"], read["answers"]]]
    table += [[f"left out: {row['reason']}", row["sessions"], row["answers"]] for row in counts["left_out"]]
    table.append(["kept", kept["participants"], kept["answers"]])
    return format_section("Answers read and left out", format_table(table))
