"""`python -m experiments.syndromes`: the comparison of the thesis on phantoms, and what a laboratory wants to know."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console

from core.atomic_files import write_file
from experiments.processes import run_app
from experiments.syndromes import comparison as compared
from experiments.syndromes import learning, matching, synthetic
from experiments.syndromes import power as groups
from experiments.syndromes import terms as described
from experiments.syndromes.document import PAGE, TABLE, write_section
from gestaltgen.cli.progress import ConsoleProgress
from recognition.syndromes.comparison.settings import ComparisonSettings

OUT: Final = Path("runs/syndromes-experiment")

app = typer.Typer(add_completion=False, no_args_is_help=True)
_console = Console(highlight=False, soft_wrap=True)

OutOption = Annotated[Path, typer.Option(help="Folder of all experiments; what is there already is continued.")]
QuickOption = Annotated[bool, typer.Option("--quick", help="A mere trial with few people.")]
WorkersOption = Annotated[int, typer.Option(help="Number of processes.", min=1)]
WORKERS: Final = os.cpu_count() or 1


@app.command()
def compare(
    out: OutOption = OUT,
    quick: QuickOption = False,
    workers: WorkersOption = WORKERS,
    pointnet: Annotated[
        bool, typer.Option("--pointnet", help="Compare both PointNets too, which takes much longer.")
    ] = False,
) -> None:
    """Compare all models for twelve syndromes: the thesis's table beside ours."""
    models = ("neighbours", "pointnet", "pointnet_tuned", "distances", "hybrid", "face_and_terms", "ensemble")
    settings = ComparisonSettings(models=models if pointnet else (), runs=1 if quick else 3)
    progress = ConsoleProgress(_console)
    result = compared.run_comparison(out / "compare", settings, quick=quick, workers=workers, progress=progress)
    _write_table(out / "compare", compared.format_comparison(result))


@app.command()
def learn(out: OutOption = OUT, quick: QuickOption = False, workers: WorkersOption = WORKERS) -> None:
    """Measure how many patients are needed, at three strengths of the features."""
    scale = learning.QUICK if quick else learning.FULL
    points = learning.measure_learning(out / "learn", scale, workers, ConsoleProgress(_console))
    _write_table(out / "learn", learning.format_learning(points))


@app.command()
def power(out: OutOption = OUT, quick: QuickOption = False) -> None:
    """Measure how many patients make a group that can be found, at three strengths of the features."""
    scale = groups.QUICK if quick else groups.FULL
    results = groups.measure_power(out / "power", scale, ConsoleProgress(_console))
    _write_table(out / "power", groups.format_power(results))


@app.command()
def match(out: OutOption = OUT, quick: QuickOption = False, workers: WorkersOption = WORKERS) -> None:
    """Measure what matching prevents: patients who differ from controls in age and sex alone."""
    scale = matching.QUICK if quick else matching.FULL
    results = matching.measure_matching(out / "match", scale, workers, ConsoleProgress(_console))
    _write_table(out / "match", matching.format_matching(results))


@app.command()
def synthesise(out: OutOption = OUT, quick: QuickOption = False, workers: WorkersOption = WORKERS) -> None:
    """Measure what synthetic faces add to the training."""
    scale = synthetic.QUICK if quick else synthetic.FULL
    results = synthetic.measure_synthetic(out / "synthesise", scale, workers, ConsoleProgress(_console))
    _write_table(out / "synthesise", synthetic.format_synthetic(results))


@app.command()
def terms(out: OutOption = OUT, quick: QuickOption = False) -> None:
    """Measure what HPO terms add to the face, the level of the test, and what uneven descriptions do."""
    scale = described.QUICK if quick else described.FULL
    folder = out / "terms"
    tables = (
        described.format_addition(described.measure_addition(folder, scale, ConsoleProgress(_console))),
        described.format_level(described.measure_level(folder, scale)),
        described.format_effort(described.measure_effort(folder, scale)),
    )
    _write_table(folder, "\n".join(tables))


@app.command()
def document(out: OutOption = OUT) -> None:
    """Write the section of docs/syndromes.md from the files of the experiments."""
    absent = write_section(out)
    _console.print(f"wrote {PAGE}" + (f"; not there yet: {', '.join(absent)}" if absent else ""))


def _write_table(folder: Path, table: str) -> None:
    write_file(folder / TABLE, table.encode())
    _console.print(table, markup=False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    run_app(app)
