"""`gestaltgen edit`: photographs with another expression, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console
from rich.table import Table

import weights as shipped
from editing import files
from editing.directions import Direction
from editing.edit import Edit, Editor
from editing.files import Directions
from faces.descriptors import FaceDescriber
from faces.detect import FaceDetector
from faces.errors import ConfigError, GestaltError
from faces.images import Pixels, encode_png, to_tensor, to_uint8, write_file
from faces.sheet import contact_sheet
from gestaltgen.inverting import Method, Model, aligned_face, names_of, photographs_in, report_csv
from gestaltgen.options import face_reader
from inversion.result import Inversion, render

NOTICE: Final = "Edited images, not photographs, and no basis for a diagnosis."
STRIP: Final = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Standard deviations along a direction that the strip of strengths shows."""

_SHEET_ROWS: Final = 40
_console = Console(highlight=False)


@dataclass(frozen=True)
class Line:
    """What became of one photograph: a line of the report.

    Attributes:
        photograph: its path.
        result: "edited", or "refused".
        reason: why it was refused, or what is to be known of the face that was taken.
        inversion: the verdict on the reconstruction that was edited.
        verdict, because: on the edit.
        strength: units along the direction.
        smile_before, smile_after: measured, in [0, 1].
        identity: drift, in units of the distance between different people.
        condition_kept: whether the same condition is read; empty where none can be.
        age_years: change of the age that is read; empty where none can be.
    """

    photograph: str
    result: str
    reason: str = ""
    inversion: str = ""
    verdict: str = ""
    because: str = ""
    strength: float | None = None
    smile_before: float | None = None
    smile_after: float | None = None
    identity: float | None = None
    condition_kept: bool | None = None
    age_years: float | None = None


def edit(
    photographs: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("edits"),
    smile: Annotated[float | None, typer.Option(help="Smile to reach, 0 at rest to 1 broad.", min=0, max=1)] = None,
    strength: Annotated[
        float | None, typer.Option(help="Instead: units along the direction; one standard deviation is in the table.")
    ] = None,
    direction: Annotated[str, typer.Option(help="Name of the direction, with --strength.")] = "smile",
    condition: Annotated[str | None, typer.Option(help="Take the direction of this condition.")] = None,
    directions: Annotated[
        Path | None, typer.Option(help="File of `gestaltgen fit-direction`; unset: shipped with a shipped checkpoint.")
    ] = None,
    inverter: Annotated[
        Path | None, typer.Option(help="Trained inverter; unset: shipped with a shipped checkpoint.")
    ] = None,
    generator: Annotated[Path | None, typer.Option(help="Checkpoint; unset takes the shipped one.")] = None,
    method: Annotated[
        Method | None, typer.Option(help="Of the inversion; unset: hyperstyle with an inverter, pti without one.")
    ] = None,
    hold: Annotated[
        bool,
        typer.Option(help="Lead the latent back where age, condition or identity change, as far as they can be read."),
    ] = True,
    strip: Annotated[
        bool, typer.Option("--strip", help="Also a picture of strengths from -3 to 3 standard deviations.")
    ] = False,
    aligned: Annotated[bool, typer.Option("--aligned", help="They are aligned squares already.")] = False,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Change the expression on photographs, and nothing else as far as that goes.

    Each PHOTOGRAPH is inverted, and its latent moved along a direction: until the smile that is measured is SMILE, or
    by STRENGTH. The folder gets NAME-edited.png and, from the same inversion, NAME-before.png, edits.png with all of
    them, and report.csv: the smile before and after, and what else changed. An edit that misses its smile, loses the
    person or leaves the faces that the generator knows is told as doubtful.

    Example: gestaltgen edit photos/ --smile 0 --out edits
    """
    if (smile is None) == (strength is None):
        raise ConfigError("say either --smile (0 to 1) or --strength (units along the direction)")
    if threads is not None:
        torch.set_num_threads(threads)
    source = generator or shipped.default()
    detector = FaceDetector()
    model = Model.of(source, None, inverter, method, FaceDescriber(detector))
    editor, known = editor_of(source, model, directions, detector)
    if not hold:
        editor = replace(editor, patterns={})
    along = known.named(direction, condition)
    work = photographs_in(photographs)
    lines, shown = [], []
    for path, name in zip(work, names_of(work), strict=True):
        try:
            face, note = aligned_face(path, model.side, detector, aligned=aligned)
            inversion = model.invert(to_tensor(face), name)
            if smile is not None:
                done = editor.to_smile(inversion, along, smile)
            else:
                done = editor.edit(inversion, along, strength or 0.0)
            before, after = (to_uint8(picture)[0] for picture in (done.before, done.image))
            write_file(out / f"{name}-before.png", encode_png(before, {"Comment": NOTICE}))
            write_file(out / f"{name}-edited.png", encode_png(after, {"Comment": NOTICE}))
            if strip:
                write_file(out / f"{name}-strip.png", encode_png(_strip(model, inversion, along)))
            line = _line(path, note, inversion, done)
            shown.append([face, before, after])
        except GestaltError as error:
            line = Line(str(path), "refused", str(error))
        lines.append(line)
        write_file(out / "report.csv", report_csv(lines).encode())
    if shown:
        titles = ["face", "reconstruction", "edited"]
        sheet = contact_sheet(shown[:_SHEET_ROWS], column_titles=titles, footer=NOTICE)
        write_file(out / "edits.png", encode_png(sheet))
    _show(lines, out)
    if not shown:
        raise typer.Exit(1)


def editor_of(source: Path, model: Model, directions: Path | None, detector: FaceDetector) -> tuple[Editor, Directions]:
    """What edits the faces of a generator, and the directions known for it: those named, or those shipped with it.

    Raises:
        ConfigError: none are.
    """
    where = directions or shipped.companion(source, "directions")
    if where is None:
        raise ConfigError(f"no directions are shipped for {source}; make some with `gestaltgen fit-direction`")
    known = files.load(where, model.generator)
    return Editor(model.generator, face_reader(source, detector), known.apart, known.region, known.patterns), known


def _line(path: Path, note: str, inversion: Inversion, done: Edit) -> Line:
    return Line(
        str(path),
        "edited",
        note,
        inversion.quality[0].verdict or "not known",
        done.verdict,
        "; ".join(done.because),
        done.strength,
        *done.smile,
        done.identity,
        done.condition_kept,
        done.age_years,
    )


def _strip(model: Model, inversion: Inversion, along: Direction) -> Pixels:
    """The face at several strengths, side by side."""
    steps = [along.move(inversion.w, step * along.spread) for step in STRIP]
    pictures = [to_uint8(render(model.generator, w, inversion.offsets))[0] for w in steps]
    titles = [f"{step:+.0f} sd" if step else "as it is" for step in STRIP]
    return contact_sheet([pictures], column_titles=titles, footer=f"along {along.name}. {NOTICE}")


def _show(lines: list[Line], out: Path) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("photograph", "inversion", "edit", "strength", "smile", "identity", "note"):
        table.add_column(title, justify="right" if title in ("strength", "identity") else "left")
    for line in lines:
        smile = "" if line.smile_after is None else f"{line.smile_before:.2f} to {line.smile_after:.2f}"
        numbers = ["" if value is None else f"{value:.2f}" for value in (line.strength, line.identity)]
        note = "; ".join(part for part in (line.because, line.reason) if part)
        table.add_row(
            Path(line.photograph).name, line.inversion, line.verdict or line.result, numbers[0], smile, numbers[1], note
        )
    _console.print(table)
    edited = sum(line.result == "edited" for line in lines)
    _console.print(f"{edited} of {len(lines)} edited; results in {out}", markup=False, soft_wrap=True)
    _console.print(NOTICE, soft_wrap=True)
