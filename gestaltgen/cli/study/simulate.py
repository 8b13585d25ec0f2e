"""`gestaltgen study simulate`: answers of simulated participants with known effects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from core.atomic_files import check_new, write_file
from gestaltgen.cli.console import make_console
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.study.effect_options import Design, EffectOptions

_PARTICIPANTS: Final = 40


@expand_options
def simulate(
    *,
    design: Annotated[Design, typer.Option(help="Published design.")] = Design.PATEL,
    participants: Annotated[
        int | None,
        typer.Option(help="Number of participants; default: as published, 40 with a key.", min=1, max=40_000),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist.")] = Path("simulated"),
    key: Annotated[
        Path | None,
        typer.Option(help="Key of a study, file or folder, whose images are answered; default: those of the design."),
    ] = None,
    accuracy: Annotated[
        float, typer.Option(help="Share of right answers to the images of a key.", min=0.01, max=0.99)
    ] = 0.6,
    shown_per_group: Annotated[
        int | None,
        typer.Option(help="Faces of each condition and age group that a participant sees, of a key.", min=1),
    ] = None,
    effects: EffectOptions,
) -> None:
    """Simulate participants who answer a survey.

    Nobody took part: use the answers for tests, teaching and trials of an analysis. The folder gets answers.csv, the
    same answers as qualtrics.csv, an export that can be imported, and key.csv.

    Example: gestaltgen study simulate --design patel --effect -0.4 --seed 7
    """
    from studies.answers.key import format_answer_key, read_answer_key
    from studies.answers.table import write_answers
    from studies.plan.key_design import describe_key
    from studies.plan.simulate import draw_images, simulate_answers
    from studies.plan.simulated_export import format_qualtrics
    from studies.plan.study_design import DESIGNS

    check_new(out)
    if key is None:
        chosen = DESIGNS[design.value]
        if participants is not None:
            chosen = chosen.with_participants(participants)
        images = draw_images(chosen, np.random.default_rng(seed))
    else:
        chosen, images = describe_key(read_answer_key(key), participants or _PARTICIPANTS, accuracy, shown_per_group)
    answers = simulate_answers(chosen, effects.to_effects(chosen.variants), seed, images)
    write_answers(out / "answers.csv", answers)
    write_file(out / "qualtrics.csv", format_qualtrics(answers).encode())
    write_file(out / "key.csv", format_answer_key(image for version in images for image in version).encode())
    make_console(soft_wrap=True).print(
        f"{len(answers)} answers of {sum(chosen.participants)} simulated participants in {out}"
    )
