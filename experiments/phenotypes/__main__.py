"""`python -m experiments.phenotypes`: region share and reading of each HPO term that phantoms show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
import typer
from rich.console import Console

from core.atomic_files import write_file
from experiments.phenotypes.observer import balanced_accuracy, read_terms, train_observer
from experiments.phenotypes.persons import TERMS, TEST_SEED, TRAIN_SEED, Faces, draw_faces
from experiments.phenotypes.region_shares import Change, measure_changes
from experiments.processes import run_app
from faces.conditions.terms import find_term
from faces.images import encode_png
from faces.oracle.attribute_training import OracleTrainingConfig
from faces.phantoms.drawn_terms import DRAWN_TERMS
from faces.phantoms.phenotype_sheet import draw_sheet

SIDE: Final = 128
AGES_YEARS: Final = (1.0, 5.0, 9.0, 14.0, 18.0, 25.0, 33.0, 60.0)

_console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False)


@app.command()
def phenotypes(
    out: Annotated[Path, typer.Option(help="Folder of the experiment; its faces are kept.")] = Path("runs/phenotypes"),
    train: Annotated[int, typer.Option(help="Number of training faces.", min=64)] = 2850,
    test: Annotated[int, typer.Option(help="Number of test faces.", min=100)] = 600,
    epochs: Annotated[int, typer.Option(help="Number of times that each training face is shown.", min=1)] = 16,
) -> None:
    """Is each HPO term drawn where it belongs, and can a network see it on unseen faces?

    The command draws persons who have each facial term with a frequency of 20 %, trains a small network to read the
    terms from the pictures, and measures its balanced accuracy on unseen persons, and how much of the change by each
    term lies in its region. OUT/table.md has the figures, OUT/sheet.png the pictures.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    faces = _draw_or_read(out / "train.npz", TRAIN_SEED, train)
    unseen = _draw_or_read(out / "test.npz", TEST_SEED, test)
    config = OracleTrainingConfig(epochs=epochs)

    def report(step: int, steps: int, loss: float) -> None:
        if step % 50 == 0:
            _console.print(f"step {step} of {steps}: loss {loss:.4f}")

    observer = train_observer(faces, config, report)
    accuracy = dict(zip(TERMS, balanced_accuracy(read_terms(observer, unseen), unseen), strict=True))
    table = _format_table(measure_changes(TERMS, AGES_YEARS, SIDE), accuracy)
    write_file(out / "table.md", table.encode())
    write_file(out / "sheet.png", encode_png(draw_sheet(TERMS, title="Facial HPO terms on an average face")))
    _console.print(table, markup=False)


def _draw_or_read(path: Path, seed: int, count: int) -> Faces:
    if not path.exists():
        _console.print(f"drawing {count} faces")
        drawn = draw_faces(seed, count, SIDE)
        np.savez(path, images=drawn.images, present=drawn.present, visible=drawn.visible)
    with np.load(path) as stored:
        return Faces(stored["images"], stored["present"], stored["visible"])


def _format_table(changes: Mapping[str, Change], accuracy: Mapping[str, float]) -> str:
    lines = [
        "| HPO | term | region | share in region | largest change | balanced accuracy |",
        "|---|---|---|---|---|---|",
    ]
    for term, change in changes.items():
        share = "" if change.share is None else f"{change.share:.2f}"
        cells = (term, find_term(term).term.label, DRAWN_TERMS[term].region, share, f"{change.largest:.0f}")
        lines.append("| " + " | ".join((*cells, f"{accuracy[term]:.3f}")) + " |")
    read = sum(value >= 0.9 for value in accuracy.values())
    lines += ["", f"{read} of {len(accuracy)} terms are read with a balanced accuracy of 0.90 or more."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_app(app)
