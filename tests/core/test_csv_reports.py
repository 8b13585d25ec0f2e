"""Cells of reports that a spreadsheet program would run."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from core.csv_reports import format_csv, protect_cell, restore_cell


@dataclass
class Line:
    file: str
    change: float


def test_no_cell_is_a_formula() -> None:
    assert format_csv([Line("=HYPERLINK(0)", -1.5)]).splitlines()[1] == "'=HYPERLINK(0),-1.5"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\ta", "a=1", "'a", "", "'"])
def test_what_is_protected_can_be_restored(text: str) -> None:
    assert restore_cell(protect_cell(text)) == text
