"""`gestaltgen explain truth`: compare saliency maps with what is known of phantoms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress


def truth(
    classifier: Annotated[Path, typer.Argument(help="File of a classifier, or folder of an ensemble's folds.")],
    out: Annotated[Path, typer.Option(help="Folder of the report; one that is there already is continued.")] = Path(
        "runs/truth"
    ),
    persons: Annotated[int, typer.Option(help="Phantoms of each condition; about a second each.", min=2)] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the phantoms; not that of the training faces.", min=0)] = 27,
    from_terms: Annotated[
        bool,
        typer.Option(
            "--from-terms", help="Draw the default conditions from their HPO terms too, as all others always are."
        ),
    ] = False,
) -> None:
    """Compare saliency maps of a classifier with what its answers depend on, measured on phantoms.

    In one region of a phantom after another, what the condition changed is undone. How far the logit of the condition
    falls is the true importance of the region; the relevance that each method gives the region is compared with it.
    Each phantom is measured with one classifier of an ensemble. No basis for a diagnosis.
    """
    from core.progress import stepping_bar
    from faces.labels import UNAFFECTED
    from recognition.ensemble import Ensemble
    from recognition.explanation.truth.truth_report import report_truth

    console = make_console(soft_wrap=True)
    ensemble = Ensemble.open(classifier)
    total = persons * len(set(ensemble.classes) - {UNAFFECTED})
    with stepping_bar(ConsoleProgress(console), "measuring phantoms", total) as step:
        tables = report_truth(ensemble, out, persons=persons, seed=seed, from_terms=from_terms, on_face=lambda: step(1))
    console.print(tables, markup=False)
    console.print(f"look at {out / 'truth.png'}; the tables are {out / 'truth.md'}")
