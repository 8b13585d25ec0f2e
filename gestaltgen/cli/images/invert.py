"""`gestaltgen invert`: photographs to latents and offsets that reproduce them, with the quality of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from core.atomic_files import write_file
from editing.face_editor import FaceEditor
from editing.photograph_files import InvertedPhotograph
from faces.contact_sheets import contact_sheet
from faces.images import Pixels, encode_png, to_uint8
from faces.measures.judges import Judges
from gen.networks import Generator
from gestaltgen.cli.console import make_console
from gestaltgen.cli.images.inversion_options import UNJUDGED_HINT, InversionOptions
from gestaltgen.cli.images.photograph_report import Sheet, report_photographs
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.options import find_editor_files, set_threads
from gestaltgen.cli.progress import ConsoleProgress
from inversion.config import UNJUDGED
from inversion.quality import Quality
from inversion.result import save

NOTICE: Final = "Reconstructions are edited images, not photographs, and no basis for a diagnosis."
EYES_HINT: Final = "eyes: an eye is clouded or smeared. Compare the eyes of the reconstruction with the photograph."
_console = make_console()
_progress = ConsoleProgress(_console)


@dataclass(frozen=True)
class Line:
    """Line of the report: the result for one photograph.

    Attributes:
        photograph: its path.
        result: "inverted", or "refused".
        reason: why it was refused, or remarks on its face.
        verdict, because: verdict on the reconstruction, and the measures that led to it.
        l2, ms_ssim, perceptual, identity, landmarks, smile, sharpness, eyes: see `inversion.quality.Quality`.
        happy, age_years: how far the readings of independent judges differ, where they are installed.
        file: the inversion, in the output folder.
        precision: precision of the inversion.
    """

    photograph: str
    result: str
    reason: str = ""
    verdict: str = ""
    because: str = ""
    l2: float | None = None
    ms_ssim: float | None = None
    perceptual: float | None = None
    identity: float | None = None
    landmarks: float | None = None
    smile: float | None = None
    sharpness: float | None = None
    eyes: float | None = None
    happy: float | None = None
    age_years: float | None = None
    file: str = ""
    precision: str = ""


@dataclass(frozen=True)
class QualityOptions:
    """Options about the measures of a reconstruction."""

    discriminator: Annotated[
        Path | None,
        typer.Option(
            help="The generator's discriminator, whose features measure likeness. Default: the shipped one, if any."
        ),
    ] = None
    identity: Annotated[
        bool, typer.Option(help="Also compare face descriptors of dlib, which takes a second a face.")
    ] = True


@expand_options
def invert(
    photographs: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("inversions"),
    passes: Annotated[int, typer.Option(help="Number of passes of the hypernetwork.", min=1)] = 5,
    quality: QualityOptions,
    inversion: InversionOptions,
) -> None:
    """Find the latent, and the changes of the generator's kernels, that reproduce the face on each photograph.

    For each PHOTOGRAPH the folder gets NAME.safetensors (latent and offsets), NAME.png (the reconstruction) and
    NAME-beside.png (the aligned face beside it); report.csv has a line for each, faces.png shows them all. Files that
    cannot be used are listed in report.csv with the reason; the rest are processed.

    The verdict says whether an edit makes sense: do not edit a face that is out of domain.

    Example: gestaltgen invert photos/ --out inversions
    """
    set_threads(inversion.threads)
    files = find_editor_files(inversion.generator, discriminator=quality.discriminator, inverter=inversion.inverter)
    face_editor = FaceEditor.open(files, identity=quality.identity, judges=Judges())
    by = inversion.build_method(face_editor, passes=passes)

    def keep(one: InvertedPhotograph) -> tuple[Line, list[Pixels]]:
        return _write_results(out, one, face_editor.generator)

    sheet = Sheet(out / "faces.png", ["face", "reconstruction"], NOTICE)
    lines = report_photographs(
        photographs, face_editor, by, inversion, keep, Line, out / "report.csv", sheet, _progress
    )
    _print_table(lines, out)
    if not any(line.result == "inverted" for line in lines):
        raise typer.Exit(1)


def _write_results(out: Path, one: InvertedPhotograph, generator: Generator) -> tuple[Line, list[Pixels]]:
    """Write the results of one photograph; return its line of the report, its face and the reconstruction."""
    precision = one.inversion.precision
    pictures, (quality,) = [one.framed.face, to_uint8(one.inversion.reconstruction)[0]], one.inversion.quality
    save(out / f"{one.name}.safetensors", one.inversion, generator)
    write_file(out / f"{one.name}.png", encode_png(pictures[1], {"Comment": NOTICE, "Precision": precision}))
    beside = contact_sheet([pictures], column_titles=["face", "reconstruction"], footer=_describe_quality(quality))
    write_file(out / f"{one.name}-beside.png", encode_png(beside))
    line = Line(
        str(one.path),
        "inverted",
        one.note,
        quality.verdict_text,
        ", ".join(quality.because),
        **quality.measures(),
        file=f"{one.name}.safetensors",
        precision=precision,
    )
    return line, pictures


def _describe_quality(quality: Quality) -> str:
    figures = ", ".join(f"{name} {value:.3g}" for name, value in quality.measures().items())
    return f"{quality.verdict_text}: {figures}. {NOTICE}"


def _print_table(lines: list[Line], out: Path) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("photograph", "verdict", "L2", "MS-SSIM", "identity", "note"):
        table.add_column(title, justify="right" if title in ("L2", "MS-SSIM", "identity") else "left")
    for line in lines:
        figures = ("" if value is None else f"{value:.3f}" for value in (line.l2, line.ms_ssim, line.identity))
        verdict = line.verdict + (f" ({line.because})" if line.because else "")
        table.add_row(Path(line.photograph).name, verdict or line.result, *figures, line.reason)
    _console.print(table)
    inverted = sum(line.result == "inverted" for line in lines)
    _console.print(f"{inverted} of {len(lines)} inverted; results in {out}", markup=False, soft_wrap=True)
    if any(line.verdict == UNJUDGED for line in lines):
        _console.print(UNJUDGED_HINT, markup=False, soft_wrap=True)
    if any("eyes" in line.because.split(", ") for line in lines):
        _console.print(EYES_HINT, markup=False, soft_wrap=True)
    _console.print(NOTICE, soft_wrap=True)
