"""`gestaltgen models ...`: models as a whole, a generator with the files that belong to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from api.models.checkpoint_files import list_folder
from core.errors import ConfigError
from editing.model_check import ModelCheckLine, check_model
from gestaltgen.cli.console import make_console
from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.options import ThreadsOption, find_editor_files, set_threads

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    help="Check models: a generator with its inverter, directions and discriminator.",
)
_console = make_console()

_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "red"}


@app.callback()
def describe() -> None:
    """Check models: a generator with its inverter, directions and discriminator."""


@app.command()
def check(
    folder: Annotated[
        Path,
        typer.Argument(help="Folder of models as `serve --models` takes it, or the checkpoint of one generator."),
    ],
    photograph: Annotated[
        Path | None,
        typer.Option(help="Photograph to invert and edit. Default: a face that the generator makes."),
    ] = None,
    threads: ThreadsOption = None,
) -> None:
    """Check that generator, inverter, directions and limits of each model fit each other, and make an image, an
    inversion and an edit.

    A model is NAME.safetensors, with NAME-inverter.safetensors, NAME-directions.safetensors and
    NAME-discriminator.safetensors beside it. The table says for each part whether it can be used, what was found, how
    long it took, and the most memory that was needed until then. The exit status is 1 if a part failed. A warning or a
    missing part is no failure: the line says what it means.

    Example: gestaltgen models check models/ --photograph portrait.jpg
    """
    set_threads(threads)
    generators = list_folder(folder) if folder.is_dir() else [folder]
    if not generators:
        raise ConfigError(f"{folder} holds no checkpoint of a generator (.safetensors); import or train one")
    failed = 0
    for generator in generators:
        lines = []
        with _console.status(f"checking {generator.name}"):
            for line in check_model(find_editor_files(generator), photograph):
                lines.append(line)
        _console.print(_make_table(generator, lines))
        failed += sum(line.result == "failed" for line in lines)
    if failed:
        _console.print(f"{failed} of the checks failed")
        raise typer.Exit(1)


def _make_table(generator: Path, lines: list[ModelCheckLine]) -> Table:
    table = Table(box=None, pad_edge=False, title=str(generator), title_justify="left")
    for title in ("part", "result", "seconds", "memory", "found"):
        table.add_column(title, justify="right" if title in ("seconds", "memory") else "left", overflow="fold")
    for line in lines:
        style = _STYLES.get(line.result, "")
        result = f"[{style}]{line.result}[/]" if style else line.result
        table.add_row(
            line.part,
            result,
            f"{line.seconds:.1f}",
            f"{line.peak_bytes / 2**30:.1f} GB",
            line.detail.replace("[", r"\["),
        )
    return table
