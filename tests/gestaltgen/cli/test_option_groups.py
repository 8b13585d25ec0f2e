"""Commands whose parameters are dataclasses of options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from gestaltgen.cli.option_groups import expand_options


@dataclass(frozen=True)
class SizeOptions:
    side: Annotated[int, typer.Option(help="Side in pixels.", min=8)] = 64
    flip: Annotated[bool, typer.Option("--flip", help="Mirror the images.")] = False


def test_each_field_is_an_option_and_the_command_gets_the_dataclass() -> None:
    called: list[object] = []
    app = typer.Typer()

    @app.command()
    @expand_options
    def draw(path: Annotated[Path, typer.Argument()], sizes: SizeOptions, names: list[str] | None = None) -> None:
        """Draw something."""
        called.append((path, sizes, names))

    done = CliRunner().invoke(app, ["here", "--side", "16", "--flip", "--names", "a", "--names", "b"])
    assert done.exit_code == 0, done.output
    assert called == [(Path("here"), SizeOptions(16, True), ["a", "b"])]
    assert CliRunner().invoke(app, ["here", "--side", "4"]).exit_code == 2
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert "Side in pixels." in shown
    assert "[default: 64]" in shown
    assert "sizes" not in shown


def test_two_options_of_one_name_are_refused() -> None:
    def draw(side: int, sizes: SizeOptions) -> None: ...

    with pytest.raises(TypeError, match="side"):
        expand_options(draw)
