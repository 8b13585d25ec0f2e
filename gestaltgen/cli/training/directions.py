"""`gestaltgen directions ...`: directions that other programs fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import DirectionError
from editing import direction_file
from editing.face_readers import make_face_reader
from editing.published.importing import ImportOptions, LatentSpace, PublishedDirection, import_directions
from faces.detect import FaceDetector
from faces.measures.descriptors import FaceDescriber
from gen import checkpoint
from gestaltgen.cli.console import make_console
from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.options import ThreadsOption, find_editor_files, set_threads
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.training.fit_direction import make_effects_table

app = typer.Typer(cls=ReportingGroup, no_args_is_help=True, help="Bring directions in that other programs fitted.")
_console = make_console()


@app.callback()
def describe() -> None:
    """Bring directions in that other programs fitted."""


@app.command(name="import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Files of InterfaceGAN and kin, .npy or .pt, a direction each.")],
    generator: Annotated[
        Path, typer.Option(help="Checkpoint of the generator that the directions were fitted for: no file says which.")
    ],
    space: Annotated[
        LatentSpace,
        typer.Option(help="Space that they lie in: w (one row, the usual one), or wplus (a row for each layer)."),
    ],
    name: Annotated[list[str], typer.Option(help="Name of each direction, in the order of the files: smile, age.")],
    licence: Annotated[str, typer.Option(help="Licence of the directions, stored with them.")],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; not yet there. Default: GENERATOR-directions.safetensors beside it."),
    ] = None,
    reverse: Annotated[
        list[str] | None, typer.Option(help="Name of a direction that points to less of its attribute; repeat.")
    ] = None,
    origin: Annotated[
        str | None, typer.Option(help="Where they come from, stored with them. Unset: the files' names.")
    ] = None,
    tried: Annotated[int, typer.Option(help="Number of people that each direction is tried on.", min=2)] = 100,
    threads: ThreadsOption = None,
) -> None:
    """Read directions of InterfaceGAN and kin, measure what they do, and write them as ours.

    The files hold numbers alone. Say which generator and which space they were fitted for; a direction of another
    generator has the same shape, and only the measurement shows that it does nothing: it is then flagged. The table
    says what one standard deviation along each direction changes, on faces that the generator makes.

    Example: gestaltgen directions import smile.pt age.pt --name smile --name age --generator ffhq.safetensors
    --space w --licence MIT
    """
    set_threads(threads)
    target = out or generator.with_name(f"{generator.stem}-directions.safetensors")
    if target.exists():
        raise DirectionError(f"{target} exists; expected a new name, or delete it first")
    if len(name) != len(files):
        raise DirectionError(
            f"{len(files)} files and {len(name)} names; give --name once for each file, in their order"
        )
    if unknown := set(reverse or ()) - set(name):
        raise DirectionError(f"--reverse {', '.join(sorted(unknown))}; expected some of {', '.join(name)}")
    published = [
        PublishedDirection(path, called, called in (reverse or ())) for path, called in zip(files, name, strict=True)
    ]
    found = find_editor_files(generator)
    directions = import_directions(
        checkpoint.load_generator(generator).requires_grad_(False),
        generator,
        published,
        make_face_reader(found.oracle, FaceDescriber(FaceDetector())),
        ImportOptions(space, licence, tried, origin=origin),
        ConsoleProgress(_console),
    )
    direction_file.save(target, directions)
    _console.print(make_effects_table(directions))
    _console.print(f"directions in {target}", soft_wrap=True)
