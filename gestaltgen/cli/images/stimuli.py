"""`gestaltgen stimuli`: a survey pack of photographs as reconstructed and with another expression."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from core.atomic_files import check_new
from core.errors import DatasetError, DirectionError, GestaltError
from editing.face_editor import FaceEditor, SmileEdit
from editing.face_readers import SMILE
from editing.latent_editor import NOTICE
from editing.photograph_files import InvertedPhotograph, invert_photographs, list_photographs, name_sources
from editing.survey_pack import LeftOut, StimulusPair, edit_for_survey, make_pair, write_pack
from editing.survey_plan import Person, plan_survey
from faces.measures.judges import Judges
from gestaltgen.cli.console import make_console
from gestaltgen.cli.images.inversion_options import ApplyOption, InversionOptions, LocalOption
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.options import find_editor_files, set_threads
from gestaltgen.cli.progress import ConsoleProgress

_console = make_console()
_progress = ConsoleProgress(_console)


@expand_options
def stimuli(
    photographs: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder for the pack; it must not exist.")] = Path("stimuli"),
    smile: Annotated[
        float | None,
        typer.Option(
            help="Smile to reach, 0 to 1. Default: 0.2 for a photograph with a smile, 0.8 for one without.",
            min=0,
            max=1,
        ),
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns file and group (for example a condition); each group is balanced."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of halves, order and file names.")] = 0,
    doubtful: Annotated[
        bool,
        typer.Option("--doubtful", help="Keep faces whose inversion or edit is doubtful, but none out of domain."),
    ] = False,
    directions: Annotated[Path | None, typer.Option(help="As in `gestaltgen edit`.")] = None,
    local: LocalOption = True,
    apply: ApplyOption = None,
    inversion: InversionOptions,
) -> None:
    """Make two versions of a survey: a person who is shown as reconstructed in one is shown as edited in the other.

    Both pictures come from the same inversion, so that what inversion does to a face is the same in both. The folder
    gets A/ and B/ with pictures of meaningless names in the order to be shown (order.csv), areas.csv with the areas of
    interest (mouth, eyes, nose, face) in each, and key/ with what must not be seen: answers.csv, whose column `source`
    names the file of each photograph, pairs.png and left-out.csv. The same photographs, seed and precision make the
    same pack.

    Example: gestaltgen stimuli photos/ --groups groups.csv --seed 7 --out survey
    """
    set_threads(inversion.threads)
    check_new(out)
    face_editor = FaceEditor.open(
        find_editor_files(inversion.generator, inverter=inversion.inverter, directions=directions), judges=Judges()
    )
    by = inversion.build_method(face_editor, exact=True)
    face_editor.direction(SMILE)  # none: refused before the photographs are inverted
    how = SmileEdit(apply, local=local)
    work, group_of = list_photographs(photographs), _read_groups(groups)
    sources = name_sources(work)

    def make_person(one: InvertedPhotograph) -> tuple[Person, StimulusPair]:
        edit = edit_for_survey(face_editor, one.framed.face, one.inversion, smile, doubtful, how)
        pair = make_pair(edit, face_editor.find)
        return Person(one.name, group_of.get(one.path.name, ""), sources[one.path]), pair

    shown: list[tuple[Person, StimulusPair]] = []
    left: list[LeftOut] = []
    for path, made in invert_photographs(
        work,
        face_editor,
        by,
        make_person,
        aligned=inversion.aligned,
        landmarks=inversion.read_landmarks(),
        progress=_progress,
    ):
        if isinstance(made, GestaltError):
            left.append(LeftOut(str(path), str(made), sources[path]))
        else:
            shown.append(made)
    for one in left:
        _console.print(f"left out: {one.photograph}: {one.reason}", markup=False, soft_wrap=True)
    if len(shown) < 2:
        raise DirectionError(
            f"{len(shown)} of {len(work)} photographs can be shown; expected 2 or more: bring others, or keep those "
            "that are only doubtful with --doubtful"
        )
    people = [person for person, _ in shown]
    write_pack(out, plan_survey(people, seed), {person.name: pair for person, pair in shown}, left)
    _console.print(f"{len(people)} of {len(work)} people in two versions, in {out}; the answers are in {out / 'key'}")
    _console.print(NOTICE)


def _read_groups(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "group"} <= rows[0].keys():
        raise DatasetError(f"{path} has the columns {', '.join(rows[0])}; expected file and group")
    return {row["file"]: row["group"] for row in rows}
