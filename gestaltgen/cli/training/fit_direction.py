"""`gestaltgen fit-direction`: directions of smile and age for a generator, fitted to faces that it generates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.table import Table

from editing import direction_file
from editing.direction_file import Directions
from editing.direction_info import DirectionEffects
from editing.face_readers import make_face_reader
from editing.fitting import SEED, FittingOptions, fit_directions
from faces.detect import FaceDetector
from faces.measures.descriptors import FaceDescriber
from gen import checkpoint
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import find_editor_files
from gestaltgen.cli.progress import ConsoleProgress

_console = make_console()


def fit_direction(
    attributes: Annotated[list[str] | None, typer.Argument(help="smile, age. Default: all that can be read.")] = None,
    out: Annotated[Path, typer.Option(help="File for the directions.")] = Path("directions.safetensors"),
    generator: Annotated[
        Path | None, typer.Option(help="Checkpoint of the generator. Default: the shipped one.")
    ] = None,
    count: Annotated[int, typer.Option(help="Number of faces to generate and read.", min=200)] = 20_000,
    tried: Annotated[
        int, typer.Option(help="Number of people that each direction is tried on, for the table.", min=20)
    ] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the faces and of the cross-validation.")] = SEED,
    licence: Annotated[str, typer.Option(help="Licence of the directions, stored in the file.")] = "Apache-2.0",
    threads: Annotated[int | None, typer.Option(help="Number of CPU threads.", min=1)] = None,
) -> None:
    """Fit the directions along which the faces of a generator smile or age, and measure how far to trust them.

    The generator makes faces of every condition and age. The oracle reads those of phantoms; on photographs, landmarks
    measure the smile. A linear SVM is fitted to clear examples (a smile below 0.25 or above 0.75, an age below 10 or
    above 35 years): one for all conditions together and, for smiles, one for each condition. Each is measured on faces
    that it was not fitted to. Latents are moved along the pattern of the attribute, the difference between faces that
    differ in nothing else. The table shows what each direction changes.

    Example: gestaltgen fit-direction --out directions.safetensors
    """
    if threads is not None:
        torch.set_num_threads(threads)
    files = find_editor_files(generator)
    directions = fit_directions(
        checkpoint.load_generator(files.generator).requires_grad_(False),
        files.generator,
        make_face_reader(files.oracle, FaceDescriber(FaceDetector())),
        FittingOptions(attributes, count, tried, seed, licence),
        ConsoleProgress(_console),
    )
    direction_file.save(out, directions)
    _console.print(make_effects_table(directions))
    _console.print(f"directions in {out}", soft_wrap=True)


def make_effects_table(directions: Directions) -> Table:
    """Make a table of the accuracy of each direction, and of what it changes."""
    names = list(directions.table[0].slopes) if directions.table else []
    table = Table(box=None, pad_edge=False, title="change for one standard deviation along the direction")
    for title in ("direction", "accuracy", "examples", *names, "identity", "flags"):
        table.add_column(title, justify="left" if title in ("direction", "flags") else "right")
    moved: dict[str, DirectionEffects] = {moves.direction: moves for moves in directions.table}
    for name, one in directions.directions.items():
        moves = moved.get(name)
        known = moves.slopes if moves else {}
        slopes = [f"{known[attribute]:+.2f}" if attribute in known else "" for attribute in names]
        identity = f"{moves.identity:.2f}" if moves else ""
        accuracy = "not measured" if one.accuracy is None else f"{one.accuracy:.1%}"
        numbers = (accuracy, f"{one.positive}+{one.negative}")
        table.add_row(name, *numbers, *slopes, identity, "; ".join(one.flags))
    return table
