"""Inverting photographs, for the commands that begin with it: which files, under which names, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import torch
from rich.console import Console

from core.errors import ConfigError, GestaltError
from editing.face_editor import FaceEditor
from faces.images import read_image, to_tensor
from gestaltgen.cli.progress import stepping_bar
from inversion.framing import Framed, framed
from inversion.methods import InvertBy
from inversion.result import Inversion

_console: Final = Console(highlight=False)


@dataclass(frozen=True)
class Photograph:
    """One photograph, inverted.

    Attributes:
        path: of its file.
        name: for its results.
        framed: its aligned face.
        inversion: of that face.
    """

    path: Path
    name: str
    framed: Framed
    inversion: Inversion

    @property
    def note(self) -> str:
        """What is to be known of the face."""
        return "; ".join(self.framed.notes)


Made = TypeVar("Made")


def each_inverted(
    photographs: Sequence[Path],
    studio: FaceEditor,
    by: InvertBy,
    make: Callable[[Photograph], Made],
    *,
    aligned: bool,
) -> Iterator[tuple[Path, Made | GestaltError]]:
    """What is made of each photograph, once it is inverted, or why nothing is: one never stops the others.

    Args:
        aligned: they are aligned squares already.
    """
    for path, name in zip(photographs, _names_of(photographs), strict=True):
        made: Made | GestaltError
        try:
            face = framed(read_image(path), studio.side, studio.detector, aligned=aligned)
            made = make(Photograph(path, name, face, _inverted(by, to_tensor(face.face), name)))
        except GestaltError as error:
            made = error
        yield path, made


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


def _names_of(paths: Sequence[Path]) -> list[str]:
    """A name for the results of each, numbered where two photographs have the same."""
    seen: dict[str, int] = {}
    names = []
    for path in paths:
        count = seen[path.stem] = seen.get(path.stem, 0) + 1
        names.append(path.stem if count == 1 else f"{path.stem}-{count}")
    return names


def _inverted(by: InvertBy, face: torch.Tensor, name: str) -> Inversion:
    """One face, with a bar where it takes a while."""
    if not by.steps_planned:
        return by(face)
    with stepping_bar(_console, name, by.steps_planned) as step:
        return by(face, lambda made, planned, loss: step(1))
