"""`python -m experiments.expression`: the expression experiment on phantoms, from drawing to table."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import weights
from core.errors import ConfigError
from experiments.expression import classifiers, edits
from experiments.expression.classifiers import ARMS, SIZE, ExpressionPlan
from experiments.expression.people import (
    BALANCED,
    FULL,
    PLANTED,
    QUICK,
    TEST_SEED,
    TRAIN_SEED,
    Scale,
    draw_people,
    redraw_with_smile,
)
from experiments.expression.results import write_results
from experiments.expression.views import BALANCED_SET, DRAWN, IDEAL, PLANTED_SET, TARGETS, TEST_SET
from experiments.processes import COSTS, run_app, run_side_by_side
from faces.phantoms.phantom_dataset import write_phantoms
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.local_service import run_local_service

_console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False)


@app.command()
def expression(
    out: Annotated[
        Path, typer.Option(help="Folder of the experiment; an experiment that is there already is continued.")
    ] = Path("runs/expression"),
    seeds: Annotated[
        int, typer.Option(help="Number of ensembles for each arm; seeds vary the classifiers only.", min=1)
    ] = 3,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Few persons and epochs: a trial of some minutes, whose figures mean nothing."),
    ] = False,
) -> None:
    """Does a classifier use the expression instead of the face, and do edited faces show and mend this?

    The command draws phantoms of whom nearly all with one condition smile, and the same persons with balanced smiles.
    It trains classifiers on both, lets the service edit unseen faces to a smile and to rest, and measures how the
    probability of the true condition changes against the reconstruction, paired by person. Then it trains with edited
    faces added. The same persons, drawn with either expression, show what a perfect edit would do.

    This takes about two hours on two cores. If it stops, or the service stops, the same command continues. When it is
    done, read OUT/table.md and look at OUT/effects.png and OUT/sheet.png; OUT/costs.jsonl has the cost of each process.
    """
    scale, chosen = QUICK if quick else FULL, tuple(range(seeds))
    plan = _read_or_write_plan(out, scale)
    _draw_datasets(out, scale)
    plain = [classifiers.describe_process(arm, out, chosen) for arm in ARMS if arm.adds == "none"]
    with ExitStack() as stack:
        sending = edits.describe_process(out, "", scale.sent)
        if not sending.done:
            progress = ConsoleProgress(_console)
            service = stack.enter_context(run_local_service(weights.default(), progress=progress))
            sending = edits.describe_process(out, service, scale.sent)
        run_side_by_side([sending, *plain], out / COSTS)
    run_side_by_side([classifiers.describe_process(arm, out, chosen) for arm in ARMS], out / COSTS)
    _console.print("measuring")
    _console.print(write_results(out, plan, chosen), markup=False)
    _console.print(f"look at {out / 'effects.png'} and {out / 'sheet.png'}; the table is {out / 'table.md'}")


def _read_or_write_plan(out: Path, scale: Scale) -> ExpressionPlan:
    """Read the folder's plan, or write a new one if there is none.

    Raises:
        ConfigError: no folder can be there, or it holds another experiment.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if (plan := ExpressionPlan.read(out)) is None:
            plan = ExpressionPlan.of(scale)
            plan.write(out)
    except OSError as error:
        raise ConfigError(f"{out} cannot be the folder of an experiment: {error}") from error
    if plan.scale != scale:
        raise ConfigError(
            f"{out} holds an experiment of {plan.scale}; this one is of {scale}: give another --out, or the same "
            "--quick as before"
        )
    return plan


def _draw_datasets(out: Path, scale: Scale) -> None:
    """Draw the data sets that are not there yet; a file that exists is complete."""
    tested = draw_people(BALANCED, scale.test_persons, TEST_SEED)
    drawn = {
        PLANTED_SET: draw_people(PLANTED, scale.persons, TRAIN_SEED),
        BALANCED_SET: draw_people(BALANCED, scale.persons, TRAIN_SEED),
        TEST_SET: tested,
        **{DRAWN[ideal]: redraw_with_smile(tested, TARGETS[view]) for view, ideal in IDEAL.items()},
    }
    for name, persons in drawn.items():
        if not (out / name).exists():
            _console.print(f"drawing {out / name}")
            write_phantoms(out / name, persons, size=SIZE, workers=2)


if __name__ == "__main__":
    run_app(app)
