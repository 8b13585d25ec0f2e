from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table

from gestaltgen.cli.console import LogConsole, make_console


def _table() -> Table:
    table = Table(box=None)
    for number in range(12):
        table.add_column(f"column {number}")
    table.add_row(*(f"patient{number:02d}.jpg" for number in range(12)))
    return table


def test_a_table_is_whole_where_the_output_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    make_console().print(_table())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(f"patient{number:02d}.jpg" in lines[1] for number in range(12))


def test_a_table_fits_a_terminal() -> None:
    file = io.StringIO()
    LogConsole(file=file, force_terminal=True, width=60, height=20, color_system=None).print(_table())
    assert max(map(len, file.getvalue().splitlines())) <= 60


def test_columns_sets_the_width_of_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    make_console().print(_table())
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 50


def test_a_quiet_console_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console: Console = make_console(quiet=True)
    console.print("text")
    assert capsys.readouterr().out == ""
