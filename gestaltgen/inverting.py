"""Inverting photographs, for the commands that begin with it: which files, which face, and by what."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console

import weights as shipped
from faces.align import align
from faces.descriptors import FaceDescriber
from faces.detect import FaceDetector
from faces.errors import ConfigError, ImageError
from faces.images import Pixels, read_image
from gen import checkpoint
from gen.networks import Generator
from gestaltgen.options import likeness
from gestaltgen.progress import stepping_bar
from inversion import files
from inversion.inverter import Inverter
from inversion.optimisation import OnStep, ProjectionConfig, Space, TuningConfig, project, tune
from inversion.quality import Judge
from inversion.result import Inversion

_console: Final = Console(highlight=False)


class Method(StrEnum):
    ENCODER = "encoder"
    HYPERSTYLE = "hyperstyle"
    W = "w"
    W_PLUS = "w+"
    PTI = "pti"


@dataclass(frozen=True)
class Model:
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
    ) -> Model:
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

    def invert(
        self, face: torch.Tensor, name: str, passes: int = 5, steps: int = 300, seconds: float | None = None
    ) -> Inversion:
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


def photographs_in(named: Sequence[Path]) -> list[Path]:
    """The files named, and those of the folders named; a file that is not there stays, for a line of its own.

    Raises:
        ConfigError: there is none.
    """
    found = [path for one in named for path in (_files(one) if one.is_dir() else [one])]
    if not found:
        raise ConfigError(f"no file in {', '.join(map(str, named))}; name photographs, or folders of them")
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def names_of(paths: list[Path]) -> list[str]:
    """A name for the results of each, numbered where two photographs have the same."""
    seen: dict[str, int] = {}
    names = []
    for path in paths:
        count = seen[path.stem] = seen.get(path.stem, 0) + 1
        names.append(path.stem if count == 1 else f"{path.stem}-{count}")
    return names


def aligned_face(path: Path, side: int, detector: FaceDetector, *, aligned: bool) -> tuple[Pixels, str]:
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


def report_csv(lines: Sequence[Any]) -> str:
    """Lines of a report, dataclasses of one kind, as a table with their fields as header."""
    text = io.StringIO()
    names = [field.name for field in fields(lines[0])]
    table = csv.writer(text, lineterminator="\n")
    table.writerow(names)
    table.writerows([getattr(line, name) for name in names] for line in lines)
    return text.getvalue()
