"""`gestaltgen study plan`: power by simulation, and the pre-registration sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich import box
from rich.table import Table

from core.atomic_files import check_new, write_file
from core.json_text import to_json_text
from gestaltgen.cli.console import make_console
from gestaltgen.cli.option_groups import expand_options
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.study.effect_options import EffectOptions
from studies.answers.exclusions import ExclusionRules

if TYPE_CHECKING:
    from studies.plan.power import Power

_PARTICIPANTS: Final = (10, 20, 40, 60)


@expand_options
def plan(
    *,
    pilot: Annotated[
        Path | None,
        typer.Option(
            help="Answers of a pilot, whose faces, accuracies and standard deviations are taken, not those of "
            "Patel et al. 2024. Its effect is not taken: --effect states it."
        ),
    ] = None,
    participants: Annotated[
        list[int] | None, typer.Option(help="Number of participants to try; repeat. Default: 10, 20, 40 and 60.")
    ] = None,
    faces: Annotated[
        int | None, typer.Option(help="Faces of each condition and age group; default: as in the design.", min=2)
    ] = None,
    studies: Annotated[int, typer.Option(help="Simulated studies for each number.", min=1)] = 200,
    level: Annotated[float, typer.Option(help="Level of the test.", min=1e-6, max=0.5)] = 0.05,
    power: Annotated[float, typer.Option(help="Power to reach.", min=0.01, max=0.999)] = 0.8,
    least_seconds: Annotated[
        float, typer.Option(help="Exclusion: median time of an answer below which a survey is too fast.", min=0)
    ] = 0.0,
    images: Annotated[int | None, typer.Option(help="Exclusion: images of a complete survey.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulations.", min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist.")] = Path("plan"),
    effects: EffectOptions,
) -> None:
    """Estimate how many participants a comparison of two variants needs, and write its pre-registration sheet.

    Studies are simulated with the effect and the standard deviations that you assume, and each is tested as `gestaltgen
    study analyse` does. The power is the share in which the test finds the effect; with an effect of 0, it is
    the test's level.

    Example: gestaltgen study plan --effect -0.4 --participants 20 --participants 40
    """
    from importlib.metadata import version

    from studies.analysis import compare
    from studies.answers.table import read_answers
    from studies.plan.pilot import describe_pilot
    from studies.plan.power import estimate_power
    from studies.plan.power_plot import plot_power
    from studies.plan.preregistration import StudyPlan, format_sheet
    from studies.plan.study_design import PATEL

    check_new(out)
    console = make_console(soft_wrap=True)
    chosen, assumed = PATEL, effects.to_effects(PATEL.variants)
    if pilot is not None:
        chosen, assumed = describe_pilot(read_answers(pilot), effects.effect)
    if faces is not None:
        chosen = chosen.with_faces(faces)
    estimates = []
    for estimate in estimate_power(
        chosen,
        assumed,
        sorted({*(participants or _PARTICIPANTS)}),
        lambda answers: compare(answers).p,
        studies=studies,
        level=level,
        seed=seed,
        progress=ConsoleProgress(console),
    ):
        estimates.append(estimate)
        console.print(f"{estimate.participants} participants: power {estimate.share:.2f}")
    rules = ExclusionRules(images=images, least_seconds=least_seconds)
    made = StudyPlan(chosen, assumed, tuple(estimates), rules, level, power, seed, version("gestaltgen"))
    console.print(_make_table(estimates))
    write_file(out / "plan.json", to_json_text(asdict(made) | {"participants": made.participants}).encode())
    write_file(out / "power.png", plot_power(estimates, power))
    write_file(out / "preregistration.md", format_sheet(made).encode())
    console.print(f"look at {out / 'preregistration.md'} and {out / 'power.png'}")


def _make_table(estimates: Sequence[Power]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("participants", "power", "95 % interval", "studies", "without a result"):
        table.add_column(name, justify="right")
    for one in estimates:
        low, high = one.interval
        table.add_row(
            str(one.participants), f"{one.share:.2f}", f"{low:.2f} to {high:.2f}", str(one.studies), str(one.failed)
        )
    return table
