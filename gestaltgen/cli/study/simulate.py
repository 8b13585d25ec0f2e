"""`gestaltgen study simulate`: answers of simulated participants with known effects."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.study.effect_options import EffectOptions


class Design(StrEnum):
    """Published designs (`studies.plan.study_design.DESIGNS`)."""

    PATEL = "patel"
    DUONG_22Q = "duong-22q11ds"
    DUONG_WS = "duong-ws"


@expand_options
def simulate(
    *,
    design: Annotated[Design, typer.Option(help="Published design.")] = Design.PATEL,
    participants: Annotated[
        int | None, typer.Option(help="Number of participants; default: as published.", min=1, max=100_000)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.")] = 0,
    out: Annotated[Path, typer.Option(help="CSV of answers to write.")] = Path("answers.csv"),
    effects: EffectOptions,
) -> None:
    """Simulate participants who answer a survey.

    Nobody took part: use the answers for tests, teaching and trials of an analysis.

    Example: gestaltgen study simulate --design patel --effect -0.4 --seed 7
    """
    from studies.answers.table import write_answers
    from studies.plan.simulate import simulate_answers
    from studies.plan.study_design import DESIGNS

    chosen = DESIGNS[design.value]
    if participants is not None:
        chosen = chosen.with_participants(participants)
    answers = simulate_answers(chosen, effects.to_effects(chosen.variants), seed)
    write_answers(out, answers)
    make_console(soft_wrap=True).print(
        f"{len(answers)} answers of {sum(chosen.participants)} simulated participants in {out}"
    )
