"""`python -m experiments.heads`: builds the head model, and measures its fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.processes import run_app

app = typer.Typer(add_completion=False, no_args_is_help=True)
SHIPPED = Path("faces/heads/head.safetensors")


@app.callback()
def main() -> None:
    """Builds the head model of `faces.heads`, and measures its fit on heads whose truth is known."""


@app.command()
def build(out: Annotated[Path, typer.Option(help="File to write.")] = SHIPPED) -> None:
    """Write the file of the head model. This needs the extra `heads` and minutes, as anny reads a thousand files."""
    from experiments.heads.build import build

    build(out)


if __name__ == "__main__":
    run_app(app)
