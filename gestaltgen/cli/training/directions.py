"""`gestaltgen directions ...`: directions that other programs fitted, and the layers in which directions act."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import DirectionError
from editing import direction_file
from editing.face_readers import make_face_reader
from editing.fitting import measure_layers
from editing.published.importing import ImportOptions, LatentSpace, PublishedDirection, import_directions
from faces.detect import FaceDetector
from faces.measures.descriptors import FaceDescriber
from gen import checkpoint
from gestaltgen.cli.console import make_console
from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.options import ThreadsOption, find_editor_files, set_threads
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.training.fit_direction import make_effects_table

app = typer.Typer(cls=ReportingGroup, no_args_is_help=True, help="Import and measure directions.")
_console = make_console()


@app.callback()
def describe() -> None:
    """Import and measure directions."""


@app.command(name="import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="Files of InterfaceGAN or similar programs, .npy or .pt, with one direction each."),
    ],
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
    """Read directions of InterfaceGAN and similar programs, measure what they do, and write them in our format.

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


@app.command()
def layers(
    file: Annotated[Path, typer.Argument(help="File of directions; its layers are written into it.")],
    generator: Annotated[Path, typer.Option(help="Checkpoint of the generator that the directions belong to.")],
    tried: Annotated[int, typer.Option(help="Number of people that the layers are tried on.", min=2)] = 200,
    threads: ThreadsOption = None,
) -> None:
    """Measure in which layers of a generator each direction acts, and store them with the direction.

    The latents of generated faces are moved in the layers of one resolution at a time. Those are taken that change the
    attribute by at least half as much as the best ones do, for the same change of the identity. Edits of photographs
    after pivotal tuning move the smile in these layers alone; without them, in all.

    Example: gestaltgen directions layers ffhq-directions.safetensors --generator ffhq.safetensors
    """
    set_threads(threads)
    net = checkpoint.load_generator(generator).requires_grad_(False)
    reader = make_face_reader(find_editor_files(generator).oracle, FaceDescriber(FaceDetector()))
    known = measure_layers(direction_file.load(file, net), net, reader, tried, ConsoleProgress(_console))
    direction_file.save(file, known)
    for name, direction in known.directions.items():
        chosen = ", ".join(map(str, direction.layers)) or "none"
        _console.print(f"{name}: layers {chosen} of {net.config.num_ws}", markup=False, soft_wrap=True)
