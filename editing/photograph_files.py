"""Files of photographs that a command inverts one after the other, and the names of their results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from core.errors import ConfigError, GestaltError
from core.progress import SILENT, Progress, stepping_bar
from editing.face_editor import FaceEditor
from faces.images import read_image, to_tensor
from faces.landmark_table import LandmarkTable, assign_landmarks
from inversion.framing import FramedFace, frame_face
from inversion.methods import InversionMethod
from inversion.result import Inversion


@dataclass(frozen=True)
class InvertedPhotograph:
    """Photograph of a file, and the inversion of its face.

    Attributes:
        path: the file.
        name: stem of the names of its results, unique among the photographs of one command.
        framed: the aligned face.
        inversion: the inversion of that face.
    """

    path: Path
    name: str
    framed: FramedFace
    inversion: Inversion

    @property
    def note(self) -> str:
        """Remarks on the face and its position, joined by semicolons."""
        return "; ".join(self.framed.notes)


ResultT = TypeVar("ResultT")


def invert_photographs(
    photographs: Sequence[Path],
    face_editor: FaceEditor,
    by: InversionMethod,
    process: Callable[[InvertedPhotograph], ResultT],
    *,
    aligned: bool,
    landmarks: LandmarkTable | None = None,
    progress: Progress = SILENT,
) -> Iterator[tuple[Path, ResultT | GestaltError]]:
    """Invert photographs one after the other and process each; a photograph that fails does not stop the others.

    Args:
        photographs: files.
        face_editor: detects and aligns the faces.
        by: method of the inversion.
        process: called with each inverted photograph.
        aligned: the photographs are aligned squares already.
        landmarks: set by hand, of some of the photographs, by their names as of `name_sources`, or without folders.
        progress: shows the number of photographs done, and the steps of an optimisation.

    Yields:
        each file, with the result of `process` or the error that prevented it.

    Raises:
        DatasetError: landmarks of a photograph that is not among them.
        ConfigError: landmarks for aligned squares.
    """
    if aligned and landmarks:
        raise ConfigError("landmarks for pictures that are aligned already; give one of both")
    sources = name_sources(photographs)
    by_hand = assign_landmarks(landmarks or {}, sources.values())
    with progress.bar("photographs", len(photographs)) as show:
        for done, (path, name) in enumerate(zip(photographs, _result_names(photographs), strict=True), 1):
            result: ResultT | GestaltError
            try:
                points = by_hand.get(sources[path])
                face = frame_face(
                    read_image(path), face_editor.side, face_editor.detector, aligned=aligned, landmarks=points
                )
                inversion = _invert(by, to_tensor(face.face), name, progress)
                result = process(InvertedPhotograph(path, name, face, inversion))
            except GestaltError as error:
                result = error
            show(done)
            yield path, result


def list_photographs(paths: Sequence[Path]) -> list[Path]:
    """List the files among some paths, and those in the folders among them.

    A path that does not exist stays in the list, so that the command reports it beside the others.

    Raises:
        ConfigError: there is no file.
    """
    files = [file for path in paths for file in (_list_files(path) if path.is_dir() else [path])]
    if not files:
        raise ConfigError(f"no file in {', '.join(map(str, paths))}; name photographs, or folders of them")
    return files


def name_sources(paths: Sequence[Path]) -> dict[Path, str]:
    """Name each file by its path below the folder that all of them have in common."""
    common = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    return {path: path.absolute().relative_to(common).as_posix() for path in paths}


def _list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _result_names(paths: Sequence[Path]) -> list[str]:
    """Name the results of each photograph by its stem, numbered where several photographs have the same."""
    counts: dict[str, int] = {}
    names = []
    for path in paths:
        count = counts[path.stem] = counts.get(path.stem, 0) + 1
        names.append(path.stem if count == 1 else f"{path.stem}-{count}")
    return names


def _invert(by: InversionMethod, face: torch.Tensor, name: str, progress: Progress) -> Inversion:
    """Invert one face; an optimisation has a bar of its own."""
    if not by.steps_planned:
        return by(face)
    with stepping_bar(progress, f"tuning {name}", by.steps_planned) as step:
        return by(face, lambda made, planned, loss: step(1))
