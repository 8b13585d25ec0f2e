"""`gestaltgen invert`: photographs to latents and offsets that reproduce them, with the quality of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import weights as shipped
from faces.align import align
from faces.descriptors import FaceDescriber
from faces.detect import FaceDetector
from faces.errors import ConfigError, GestaltError, ImageError
from faces.images import Pixels, encode_png, read_image, to_tensor, to_uint8, write_file
from faces.sheet import contact_sheet
from gen import checkpoint
from gen.networks import Generator
from gestaltgen.options import likeness
from gestaltgen.progress import stepping_bar
from inversion import files
from inversion.inverter import Inverter
from inversion.optimisation import OnStep, ProjectionConfig, Space, TuningConfig, project, tune
from inversion.quality import Judge, Quality
from inversion.result import Inversion, save

NOTICE: Final = "Reconstructions are edited images, not photographs, and no basis for a diagnosis."
_SHEET_ROWS: Final = 40
_console = Console(highlight=False)


class Method(StrEnum):
    ENCODER = "encoder"
    HYPERSTYLE = "hyperstyle"
    W = "w"
    W_PLUS = "w+"
    PTI = "pti"


@dataclass(frozen=True)
class Line:
    """What became of one photograph: a line of the report.

    Attributes:
        photograph: its path.
        result: "inverted", or "refused".
        reason: why it was refused, or what is to be known of the face that was taken.
        verdict, because: on the reconstruction, and the measures that led to it.
        l2, ms_ssim, perceptual, identity: see `inversion.quality.Quality`.
        file: the inversion, in the output folder.
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
    file: str = ""


def invert(
    photographs: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("inversions"),
    inverter: Annotated[
        Path | None,
        typer.Option(help="Trained inverter; unset: the one shipped with a shipped checkpoint, if there is one."),
    ] = None,
    generator: Annotated[
        Path | None, typer.Option(help="Checkpoint to invert with; unset takes the shipped one.")
    ] = None,
    discriminator: Annotated[
        Path | None, typer.Option(help="Its discriminator, whose features measure likeness; unset: as shipped.")
    ] = None,
    method: Annotated[
        Method | None, typer.Option(help="Unset: hyperstyle with an inverter, pti without one. w, w+ and pti are slow.")
    ] = None,
    passes: Annotated[int, typer.Option(help="Of the hypernetwork.", min=1)] = 5,
    steps: Annotated[int, typer.Option(help="Of an optimisation, of each of its parts.", min=1)] = 300,
    seconds: Annotated[float | None, typer.Option(help="Of an optimisation at most, of each of its parts.")] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="They are aligned squares already, as in a data set.")
    ] = False,
    identity: Annotated[bool, typer.Option(help="Compare dlib's face descriptors too, a second a face.")] = True,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Find the latent, and the changes of the generator's kernels, that reproduce the face on each photograph.

    For each PHOTOGRAPH the folder gets NAME.safetensors (latent and offsets), NAME.png (the reconstruction) and
    NAME-beside.png (the aligned face beside it); report.csv has a line for each, faces.png shows them all. What cannot
    be used is told on its line, and the others go on.

    The quality says whether an edit makes sense at all: do not edit what is out of domain.

    Example: gestaltgen invert photos/ --out inversions
    """
    if threads is not None:
        torch.set_num_threads(threads)
    detector = FaceDetector()
    model = _Model.of(generator, discriminator, inverter, method, FaceDescriber(detector) if identity else None)
    work = [path for named in photographs for path in _photographs(named)]
    if not work:
        raise ConfigError(f"no file in {', '.join(map(str, photographs))}; name photographs, or folders of them")
    names, lines, shown = _names(work), [], []
    for path, name in zip(work, names, strict=True):
        try:
            face, note = _face(path, model.side, detector, aligned=aligned)
            inversion = model.invert(to_tensor(face), name, passes, steps, seconds)
            line, picture = _keep(out, name, path, note, face, inversion, model.generator)
            shown.append([face, picture])
        except GestaltError as error:
            line = Line(str(path), "refused", str(error))
        lines.append(line)
        write_file(out / "report.csv", _csv(lines).encode())
    if shown:
        sheet = contact_sheet(shown[:_SHEET_ROWS], column_titles=["face", "reconstruction"], footer=NOTICE)
        write_file(out / "faces.png", encode_png(sheet))
    _show(lines, out)
    if not shown:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Model:
    """What inverts."""

    generator: Generator
    inverter: Inverter | None
    method: Method
    judge: Judge

    @classmethod
    def of(
        cls,
        generator: Path | None,
        discriminator: Path | None,
        inverter: Path | None,
        method: Method | None,
        describe: FaceDescriber | None,
    ) -> _Model:
        source = generator or shipped.default()
        inverter = inverter or shipped.companion(source, "inverter")
        method = method or (Method.HYPERSTYLE if inverter else Method.PTI)
        if inverter is None and method in (Method.ENCODER, Method.HYPERSTYLE):
            raise ConfigError(
                f"--method {method} needs --inverter; `gestaltgen train-encoder --help` says how to make one"
            )
        net = checkpoint.load_generator(source)
        judge = Judge(likeness(discriminator, source, net), describe)
        trained = None if inverter is None else files.load(inverter, net, judge)
        return cls(net.requires_grad_(False), trained, method, trained.judge if trained else judge)

    @property
    def side(self) -> int:
        return self.generator.config.resolution

    def invert(self, face: torch.Tensor, name: str, passes: int, steps: int, seconds: float | None) -> Inversion:
        """One aligned face (1, 3, h, h)."""
        if self.inverter is not None and self.method in (Method.ENCODER, Method.HYPERSTYLE):
            return self.inverter.invert(face, 0 if self.method is Method.ENCODER else passes)
        start = None if self.inverter is None else self.inverter.encode(face)
        space: Space = "w+" if self.method is Method.W_PLUS else "w"
        projection = ProjectionConfig(space, steps, seconds=seconds)
        perceptual = self.judge.perceptual
        parts = 2 if self.method is Method.PTI else 1
        with stepping_bar(_console, name, parts * steps) as step:
            advance: OnStep = lambda made, planned, loss: step(1)  # noqa: E731
            found = project(
                self.generator,
                face,
                projection,
                start=start,
                perceptual=perceptual,
                judge=self.judge if parts == 1 else Judge(),
                on_step=advance,
            )
            if self.method is not Method.PTI:
                return found
            tuning = TuningConfig(steps, seconds=seconds)
            return tune(self.generator, face, found.w, tuning, perceptual=perceptual, judge=self.judge, on_step=advance)


def _photographs(named: Path) -> Iterator[Path]:
    """The files of a folder, or the file itself, be it there or not: it gets a line of its own."""
    if not named.is_dir():
        yield named
        return
    yield from sorted(path for path in named.rglob("*") if path.is_file() and not path.name.startswith("."))


def _names(paths: list[Path]) -> list[str]:
    """A name for the results of each, numbered where two photographs have the same."""
    seen: dict[str, int] = {}
    names = []
    for path in paths:
        count = seen[path.stem] = seen.get(path.stem, 0) + 1
        names.append(path.stem if count == 1 else f"{path.stem}-{count}")
    return names


def _face(path: Path, side: int, detector: FaceDetector, *, aligned: bool) -> tuple[Pixels, str]:
    """The aligned face on a photograph, uint8 (side, side, 3), and what is to be known of it.

    Raises:
        GestaltError: unreadable, no face, or one that is too small.
    """
    photograph = read_image(path)
    if aligned:
        if photograph.shape[0] != photograph.shape[1]:
            raise ImageError(f"{photograph.shape[1]} x {photograph.shape[0]} pixels; expected an aligned square")
        return photograph, ""
    found = detector.largest(photograph)
    square = align(photograph, found.landmarks, side)
    sides = float(np.linalg.norm(square.quad[3] - square.quad[0]))
    if sides < side / 2:
        raise ImageError(
            f"the face is too small: its square is {sides:.0f} pixels wide; expected {side // 2} or more, take a "
            "photograph of higher resolution"
        )
    notes = []
    if found.faces_found > 1:
        notes.append(f"{found.faces_found} faces found, the largest taken")
    if found.cut:
        notes.append("the face is cut by the border")
    if square.padded > 0.1:
        notes.append(f"{square.padded:.0%} of the square lies outside the photograph")
    return square.image, "; ".join(notes)


def _keep(
    out: Path, name: str, path: Path, note: str, face: Pixels, inversion: Inversion, generator: Generator
) -> tuple[Line, Pixels]:
    """Write the results of one face; its line of the report and its reconstruction."""
    picture, (quality,) = to_uint8(inversion.reconstruction)[0], inversion.quality
    save(out / f"{name}.safetensors", inversion, generator)
    write_file(out / f"{name}.png", encode_png(picture, {"Comment": NOTICE}))
    beside = contact_sheet([[face, picture]], column_titles=["face", "reconstruction"], footer=_told(quality))
    write_file(out / f"{name}-beside.png", encode_png(beside))
    line = Line(
        str(path),
        "inverted",
        note,
        quality.verdict or "not known",
        ", ".join(quality.because),
        **quality.measures(),
        file=f"{name}.safetensors",
    )
    return line, picture


def _told(quality: Quality) -> str:
    figures = ", ".join(f"{name} {value:.3g}" for name, value in quality.measures().items())
    verdict = "no limits are known to judge it by" if quality.verdict is None else quality.verdict
    return f"{verdict}: {figures}. {NOTICE}"


def _csv(lines: list[Line]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Line)]
    table.writerow(names)
    table.writerows([getattr(line, name) for name in names] for line in lines)
    return text.getvalue()


def _show(lines: list[Line], out: Path) -> None:
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
    _console.print(NOTICE, soft_wrap=True)
