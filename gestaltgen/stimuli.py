"""`gestaltgen stimuli`: a survey pack of photographs as reconstructed and with another expression."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
import typer
from rich.console import Console

import weights as shipped
from editing.edit import OPPOSITE, Edit
from editing.stimuli import Person, Stimulus, mouth_area, plan
from faces.descriptors import FaceDescriber
from faces.detect import FaceDetector
from faces.distances import Features
from faces.errors import DatasetError, DirectionError, GestaltError
from faces.images import Pixels, encode_png, to_tensor, to_uint8, write_file
from faces.sheet import contact_sheet
from gestaltgen.edit import NOTICE, editor_of
from gestaltgen.inverting import Method, Model, aligned_face, names_of, photographs_in, report_csv
from gestaltgen.options import landmark_finder
from gestaltgen.progress import progress_bar

MARK: Final = "Edited image, no photograph"
"""In the metadata of every stimulus, reconstructed or edited alike."""

_console = Console(highlight=False)


@dataclass(frozen=True)
class Answer:
    """A line of the answer key."""

    version: str
    order: int
    file: str
    photograph: str
    group: str
    edited: bool
    smile: float
    smile_before: float
    smile_after: float
    strength: float
    identity: float


@dataclass(frozen=True)
class Area:
    """A line of the areas of interest: the mouth, in pixels; the same for both pictures of a person."""

    version: str
    file: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Left:
    """A photograph that is not in the survey."""

    photograph: str
    reason: str


@dataclass(frozen=True)
class _Pair:
    """A person's two pictures."""

    before: Pixels
    after: Pixels
    edit: Edit
    mouth: tuple[int, int, int, int]


def stimuli(
    photographs: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the pack; it must not exist.")] = Path("stimuli"),
    smile: Annotated[
        float | None,
        typer.Option(help="Smile to reach, 0 to 1; unset: the opposite of each face's own, 0.2 or 0.8.", min=0, max=1),
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(help="CSV of file and group (a condition, for example) to balance within.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of halves, order and file names.")] = 0,
    doubtful: Annotated[
        bool, typer.Option("--doubtful", help="Keep faces whose inversion or edit is doubtful.")
    ] = False,
    directions: Annotated[Path | None, typer.Option(help="As of `gestaltgen edit`.")] = None,
    inverter: Annotated[Path | None, typer.Option(help="As of `gestaltgen edit`.")] = None,
    generator: Annotated[Path | None, typer.Option(help="Checkpoint; unset takes the shipped one.")] = None,
    method: Annotated[Method | None, typer.Option(help="Of the inversion; as of `gestaltgen edit`.")] = None,
    aligned: Annotated[bool, typer.Option("--aligned", help="They are aligned squares already.")] = False,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Make two versions of a survey: each shows every person once, in one as reconstructed, in the other as edited.

    Both pictures come from the same inversion, so that what inversion does to a face is the same in both. The folder
    gets A/ and B/ with pictures of meaningless names in the order to be shown (order.csv), areas.csv with the mouth's
    area of interest in each, and key/ with what must not be seen: answers.csv, pairs.png and left-out.csv. The same
    photographs and seed make the same pack.

    Example: gestaltgen stimuli photos/ --groups groups.csv --seed 7 --out survey
    """
    if threads is not None:
        torch.set_num_threads(threads)
    if out.exists():
        raise DatasetError(f"{out} is there already; name a folder that is not, a pack is made whole")
    source = generator or shipped.default()
    detector = FaceDetector()
    model = Model.of(source, None, inverter, method, FaceDescriber(detector))
    editor, known = editor_of(source, model, directions, detector)
    find = landmark_finder(source, detector)
    work = photographs_in(photographs)
    group_of = _groups(groups)
    pairs: dict[str, _Pair] = {}
    people: list[Person] = []
    left: list[Left] = []
    with progress_bar(_console, "photographs", len(work)) as show:
        for done, (path, name) in enumerate(zip(work, names_of(work), strict=True), 1):
            try:
                face, _ = aligned_face(path, model.side, detector, aligned=aligned)
                inversion = model.invert(to_tensor(face), name)
                now = float(editor.reader(inversion.reconstruction).smile[0])
                target = OPPOSITE[now < 0.5] if smile is None else smile
                edit = editor.to_smile(inversion, known.named("smile"), target)
                verdict = inversion.quality[0].verdict
                if not doubtful and (verdict == "out of domain" or edit.verdict == "doubtful"):
                    reasons = [f"the inversion is {verdict}"] if verdict == "out of domain" else []
                    raise DirectionError("; ".join([*reasons, *edit.because]))
                pairs[name] = _pair(edit, find)
                people.append(Person(name, group_of.get(path.name, "")))
            except GestaltError as error:
                left.append(Left(str(path), str(error)))
            show(done)
    for one in left:
        _console.print(f"left out: {one.photograph}: {one.reason}", markup=False, soft_wrap=True)
    if len(people) < 2:
        raise DirectionError(
            f"{len(people)} of {len(work)} photographs can be shown; expected 2 or more: bring others, or keep those "
            "that are only doubtful with --doubtful"
        )
    planned = plan(people, seed)
    _write(out, planned, pairs, left)
    _console.print(f"{len(people)} of {len(work)} people in two versions, in {out}; the answers are in {out / 'key'}")
    _console.print(NOTICE)


def _groups(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "group"} <= rows[0].keys():
        raise DatasetError(f"{path} has the columns {', '.join(rows[0])}; expected file and group")
    return {row["file"]: row["group"] for row in rows}


def _pair(edit: Edit, find: Callable[[Pixels], Features]) -> _Pair:
    before, after = (to_uint8(picture)[0] for picture in (edit.before, edit.image))
    points = find(np.stack([before, after]))
    if np.isnan(points).any():
        raise DirectionError("no landmarks of the mouth are found in both pictures")
    areas = np.array([mouth_area(face) for face in points])
    left, top = areas[:, :2].min(axis=0).clip(min=0).tolist()
    right, bottom = areas[:, 2:].max(axis=0).clip(max=len(before) - 1).tolist()
    return _Pair(before, after, edit, (left, top, right, bottom))


def _write(out: Path, planned: list[Stimulus], pairs: dict[str, _Pair], left: list[Left]) -> None:
    answers, areas = [], []
    for stimulus in planned:
        pair, file = pairs[stimulus.person.name], f"{stimulus.code}.png"
        picture = pair.after if stimulus.edited else pair.before
        write_file(out / stimulus.version / file, encode_png(picture, {"Comment": MARK}))
        before, after = pair.edit.smile
        answers.append(
            Answer(
                stimulus.version,
                stimulus.order,
                file,
                stimulus.person.name,
                stimulus.person.group,
                stimulus.edited,
                after if stimulus.edited else before,
                before,
                after,
                pair.edit.strength if stimulus.edited else 0.0,
                pair.edit.identity if stimulus.edited else 0.0,
            )
        )
        areas.append(Area(stimulus.version, file, *pair.mouth))
    for version in ("A", "B"):
        files = [stimulus.code for stimulus in planned if stimulus.version == version]
        write_file(out / version / "order.csv", "".join(["file\n", *(f"{code}.png\n" for code in files)]).encode())
    rows = [[pair.before, pair.after] for pair in pairs.values()]
    sheet = contact_sheet(rows, row_titles=list(pairs), column_titles=["as reconstructed", "edited"], footer=NOTICE)
    write_file(out / "key" / "pairs.png", encode_png(sheet))
    write_file(out / "key" / "answers.csv", report_csv(answers).encode())
    write_file(out / "areas.csv", report_csv(areas).encode())
    if left:
        write_file(out / "key" / "left-out.csv", report_csv(left).encode())
