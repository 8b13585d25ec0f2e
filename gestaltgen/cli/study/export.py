"""`gestaltgen study export`: pictures into the tools of a survey or an experiment."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from core.atomic_files import check_new
from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from studies.packs.designs import QUESTION, Survey, design_samples, design_versions
from studies.packs.face_datasets import list_conditions, read_face_dataset
from studies.packs.study_folder import TOOLS, write_study
from studies.packs.study_images import PLACEHOLDER, read_addresses
from studies.packs.survey_packs import is_survey_pack, read_survey_pack


class ToolName(StrEnum):
    """Tools that a study is exported for (`studies.packs.study_folder.TOOLS`)."""

    QUALTRICS = "qualtrics"
    LIMESURVEY = "limesurvey"
    REDCAP = "redcap"
    JSPSYCH = "jspsych"
    PSYCHOPY = "psychopy"
    TOBII = "tobii"
    SHEETS = "sheets"


def export(
    pack: Annotated[
        Path,
        typer.Argument(
            help="Survey pack of `gestaltgen stimuli` or of the service, or a data set of faces; a folder or a zip."
        ),
    ],
    *,
    tool: Annotated[list[ToolName] | None, typer.Option(help="Tools to export for; default: all of them.")] = None,
    out: Annotated[Path, typer.Option(help="Folder or zip for the study; it must not exist.")] = Path("study"),
    participants: Annotated[int, typer.Option(help="Number of participants.", min=1)] = 40,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="Answers that can be given; repeat. Default: the conditions of a survey pack, and `unaffected`. A "
            "data set needs two or more of its conditions."
        ),
    ] = None,
    masked: Annotated[
        bool, typer.Option("--masked", help="Add a third version, in which the mouth of each face is masked.")
    ] = False,
    faces: Annotated[int, typer.Option(help="Faces of each option that are drawn from a data set.", min=1)] = 50,
    shown: Annotated[
        int, typer.Option(help="Faces of each option of a data set that each participant sees.", min=1)
    ] = 25,
    question: Annotated[str, typer.Option(help="Question about each picture.")] = QUESTION,
    confidence: Annotated[bool, typer.Option(help="Also ask how sure the participant is, from 1 to 5.")] = True,
    images: Annotated[
        str,
        typer.Option(
            help="Where the images will be for Qualtrics, LimeSurvey and REDCap: the address of a folder, or a CSV "
            "with the columns image and url."
        ),
    ] = PLACEHOLDER,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
) -> None:
    """Export pictures to the tools of a study, with blinded names, and with the answer key in a folder of its own.

    A survey pack gives the design of Patel et al.: each participant sees every face once, reconstructed or edited. A
    data set gives that of Duong et al.: each participant sees a random sample, balanced by condition and age.

    Examples:
        gestaltgen study export survey/ --participants 56 --seed 7 --out study
        gestaltgen study export faces.zip --option WS --option other --participants 30 --tool jspsych
    """
    check_new(out)
    if is_survey_pack(pack):
        source = read_survey_pack(pack)
        conditions = sorted({picture.key.condition for picture in source.pictures} - {"unaffected"})
        survey = Survey(tuple(option or [*conditions, "unaffected"]), question, confidence)
        study = design_versions(source, survey, participants, seed, masked)
    elif masked:
        raise ConfigError(f"{pack} is a data set, whose faces cannot be --masked; expected a survey pack")
    elif not option:
        raise ConfigError(
            f"{pack} is a data set; expected two or more of its conditions as --option CONDITION: "
            f"{', '.join(list_conditions(pack))}"
        )
    else:
        survey = Survey(tuple(option), question, confidence)
        source = read_face_dataset(pack, survey.options, faces, seed)
        study = design_samples(source, survey, participants, seed, shown)
    write_study(out, study, tool or TOOLS, read_addresses(Path(images)) if Path(images).is_file() else images)
    console = make_console(soft_wrap=True)
    console.print(
        f"{len(study.pictures)} images for {len(study.presentations)} participants in {out}; its folder key/ has the "
        "answers, which no participant may see"
    )
    console.print(study.pack.notice)
