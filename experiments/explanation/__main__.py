"""`python -m experiments.explanation`: which saliency method shows what a classifier of phantoms goes by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console

from core.errors import ConfigError
from experiments.explanation.classifiers import CONFOUNDERS, train_classifiers
from experiments.explanation.people import FULL, QUICK, REDUCED, keep_scale
from experiments.explanation.results import write_results
from experiments.processes import run_app

_console = Console(highlight=False, soft_wrap=True)
SCALES: Final = {"full": FULL, "reduced": REDUCED, "quick": QUICK}

app = typer.Typer(add_completion=False)


@app.command()
def explanation(
    out: Annotated[
        Path, typer.Option(help="Folder of the experiment; an experiment that is there already is continued.")
    ] = Path("runs/explanation"),
    scale: Annotated[
        str, typer.Option(help=f"Size of the experiment: one of {', '.join(SCALES)}; quick is a mere trial.")
    ] = "reduced",
) -> None:
    """Do saliency maps show the regions that a classifier's answers depend on?

    The command trains five folds of a small classifier of six conditions on phantoms, without a confounder, with a
    mark in the corner of one condition's faces, and with a smile. It measures on unseen phantoms how far the logit
    falls if one region loses what the condition changed, and compares all saliency methods with it.

    If it stops, the same command continues. OUT/table.md has the figures, OUT/maps.png some of the maps.
    """
    torch.set_num_threads(1)
    if scale not in SCALES:
        raise ConfigError(f"scale is {scale!r}; expected one of {', '.join(SCALES)}")
    chosen = SCALES[scale]
    keep_scale(out, chosen)
    ensembles = {confounder: train_classifiers(out, confounder, chosen) for confounder in CONFOUNDERS}
    _console.print(write_results(out, ensembles, chosen), markup=False)


if __name__ == "__main__":
    run_app(app)
