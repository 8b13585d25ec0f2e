"""`gestaltgen edit`: photographs with another expression, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from core.atomic_files import write_file
from core.errors import ConfigError
from editing.directions import Direction
from editing.face_editor import FaceEditor, SmileEdit
from editing.latent_editor import NOTICE, Edit
from editing.photograph_files import InvertedPhotograph
from faces.contact_sheets import contact_sheet
from faces.images import Pixels, encode_png, to_uint8
from faces.measures.judges import JudgeReading, Judges
from gestaltgen.cli.console import make_console
from gestaltgen.cli.images.inversion_options import UNJUDGED_HINT, ApplyOption, InversionOptions, LocalOption
from gestaltgen.cli.images.photograph_report import Sheet, report_photographs
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.options import find_editor_files, set_threads
from gestaltgen.cli.progress import ConsoleProgress
from inversion.config import UNJUDGED
from inversion.result import Inversion, render

STRIP: Final = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""Standard deviations along a direction that the strip of strengths shows."""

_console = make_console()
_progress = ConsoleProgress(_console)


@dataclass(frozen=True)
class Line:
    """Line of the report: the result for one photograph.

    Attributes:
        photograph: its path.
        result: "edited", or "refused".
        reason: why it was refused, or remarks on its face.
        inversion: verdict on the reconstruction that was edited.
        verdict, because: verdict on the edit, and the reasons to doubt it.
        strength: units along the direction.
        smile_before, smile_after: measured, in [0, 1].
        identity: drift, in units of the distance between different people.
        condition_kept: whether the same condition is read; empty where none can be.
        age_years: change of the age that is read; empty where none can be.
        precision: precision of the inversion and of the edit.
        local: whether the region of the expression alone was edited; empty where nothing was.
        applied: how the face was changed: "warp" or "latent".
        judged_happy_before, judged_happy_after, judged_age_before, judged_age_after: readings of independent judges of
            photographs (`faces.measures.judges`), where they are installed: a probability, and years.
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
    precision: str = ""
    local: bool | None = None
    applied: str = ""
    judged_happy_before: float | None = None
    judged_happy_after: float | None = None
    judged_age_before: float | None = None
    judged_age_after: float | None = None


@dataclass(frozen=True)
class ChangeOptions:
    """Options about the change of a face.

    Raises:
        ConfigError: neither the smile to reach nor a strength is given, or both are.
    """

    smile: Annotated[float | None, typer.Option(help="Smile to reach, 0 at rest to 1 broad.", min=0, max=1)] = None
    strength: Annotated[
        float | None,
        typer.Option(
            help="Units to move along the direction, instead of --smile; `fit-direction` prints one standard deviation."
        ),
    ] = None
    direction: Annotated[str, typer.Option(help="Name of the direction, with --strength.")] = "smile"
    condition: Annotated[str | None, typer.Option(help="Use the direction of this condition.")] = None
    directions: Annotated[
        Path | None, typer.Option(help="File of `gestaltgen fit-direction`. Default: the shipped one, if any.")
    ] = None
    hold: Annotated[
        bool,
        typer.Option(help="Correct changes of age, condition and identity, as far as they can be read."),
    ] = True
    local: LocalOption = True
    apply: ApplyOption = None

    def __post_init__(self) -> None:
        if (self.smile is None) == (self.strength is None):
            raise ConfigError("say either --smile (0 to 1) or --strength (units along the direction)")
        if self.apply == "warp" and self.smile is None:
            raise ConfigError("a warp reaches a smile: say --smile, or --apply latent with --strength")

    def change(self, face_editor: FaceEditor, inversion: Inversion, along: Direction) -> Edit:
        """Return the edit of one inverted face; a strength is along the direction."""
        if self.smile is not None:
            how = SmileEdit(self.apply, self.condition, self.hold, self.local)
            return face_editor.edit_smile(inversion, self.smile, how)
        editor = face_editor.configure_editor(hold=self.hold, local=self.local)
        return editor.edit(inversion, along, self.strength or 0.0)


@expand_options
def edit(
    photographs: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("edits"),
    change: ChangeOptions,
    inversion: InversionOptions,
    strip: Annotated[
        bool, typer.Option("--strip", help="Also write a picture of strengths from -3 to 3 standard deviations.")
    ] = False,
) -> None:
    """Change the expression on photographs, and as little else as possible.

    Each PHOTOGRAPH is inverted. Then its face is warped, or its latent moved along a direction, until the smile that
    is measured is SMILE; or its latent is moved by STRENGTH. The folder gets NAME-edited.png and, from the same
    inversion, NAME-before.png, edits.png with all of them, and report.csv: the smile before and after, and what else
    changed. An edit is reported as doubtful if it misses its smile, changes the identity, or leaves the region of the
    generator's latents.

    Example: gestaltgen edit photos/ --smile 0 --out edits
    """
    set_threads(inversion.threads)
    files = find_editor_files(inversion.generator, inverter=inversion.inverter, directions=change.directions)
    face_editor = FaceEditor.open(files, judges=Judges())
    by = inversion.build_method(face_editor, exact=True)
    along = face_editor.direction(change.direction, change.condition)

    def edit_one(one: InvertedPhotograph) -> tuple[Line, list[Pixels]]:
        if strip:
            write_file(out / f"{one.name}-strip.png", encode_png(_draw_strip(face_editor, one.inversion, along)))
        done = change.change(face_editor, one.inversion, along)
        return _write_results(out, one, done, face_editor.read_by_judges(done.before, done.image))

    sheet = Sheet(out / "edits.png", ["face", "reconstruction", "edited"], NOTICE)
    lines = report_photographs(
        photographs, face_editor, by, inversion, edit_one, Line, out / "report.csv", sheet, _progress
    )
    _print_table(lines, out)
    if not any(line.result == "edited" for line in lines):
        raise typer.Exit(1)


def _write_results(
    out: Path, one: InvertedPhotograph, done: Edit, readings: Sequence[JudgeReading]
) -> tuple[Line, list[Pixels]]:
    """Write the results of one photograph; return its line of the report, and its three pictures.

    Args:
        readings: of judges, before and after the edit.
    """
    before, after = (to_uint8(picture)[0] for picture in (done.before, done.image))
    text = {"Comment": NOTICE, "Precision": done.precision}
    write_file(out / f"{one.name}-before.png", encode_png(before, text))
    write_file(out / f"{one.name}-edited.png", encode_png(after, text))
    line = Line(
        str(one.path),
        "edited",
        one.note,
        one.inversion.quality[0].verdict_text,
        done.verdict,
        "; ".join(done.because),
        done.strength,
        *done.smile,
        done.identity,
        done.condition_kept,
        done.age_years,
        done.precision,
        done.local,
        done.applied,
        *(reading.happy for reading in readings),
        *(reading.age_years for reading in readings),
    )
    return line, [one.framed.face, before, after]


def _draw_strip(face_editor: FaceEditor, inversion: Inversion, along: Direction) -> Pixels:
    """Draw the face at several strengths, side by side."""
    steps = [along.move(inversion.w, step * along.spread) for step in STRIP]
    pictures = [to_uint8(render(face_editor.generator, w, inversion.offsets, inversion.precision))[0] for w in steps]
    titles = [f"{step:+.0f} sd" if step else "as it is" for step in STRIP]
    return contact_sheet([pictures], column_titles=titles, footer=f"along {along.name}. {NOTICE}")


def _print_table(lines: list[Line], out: Path) -> None:
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
    if any(line.inversion == UNJUDGED for line in lines):
        _console.print(UNJUDGED_HINT, markup=False, soft_wrap=True)
    _console.print(NOTICE, soft_wrap=True)
