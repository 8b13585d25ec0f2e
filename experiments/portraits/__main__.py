"""`python -m experiments.portraits`: ages, images left out and smiles of the portraits, as tables for `gestaltgen`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import numpy as np
import typer

from core.atomic_files import write_file
from core.csv_reports import format_csv
from experiments.portraits.judged import measure_distances, measure_progressions
from faces.datasets.dataset import Dataset
from faces.detect import FaceDetector
from faces.expression import CALIBRATED
from faces.measures.descriptors import find_landmarks
from faces.measures.face_api import load_age_network
from faces.measures.judges import Judges

SMILING: Final = 0.5
"""Smile from which a face counts as smiling, on the scale of `faces.expression`."""


@dataclass(frozen=True)
class _AgeLine:
    file: str
    age_years: str


@dataclass(frozen=True)
class _GroupLine:
    image: str
    group: str


JudgesFolder: TypeAlias = Annotated[
    Path, typer.Option(help="Folder of face-api's networks.", envvar="GESTALTGEN_JUDGES", show_default=False)
]

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def ages(
    faces: Annotated[Path, typer.Argument(help="Table of the portraits with the columns file, age_years and kept.")],
    out: Annotated[Path, typer.Argument(help="Table to write, for `gestaltgen dataset prepare`.")],
) -> None:
    """Write the table of ages, which `gestaltgen dataset prepare` takes."""
    lines = [_AgeLine(row["file"], row["age_years"]) for row in _read_table(faces)]
    write_file(out, format_csv(lines).encode())


@app.command()
def read_ages(
    data: Annotated[Path, typer.Argument(help="Data set that `gestaltgen dataset prepare` made of portraits.")],
    report: Annotated[Path, typer.Argument(help="Its report, which says which file each picture was.")],
    out: Annotated[Path, typer.Argument(help="Table to write, with which to prepare them again.")],
    judges: JudgesFolder,
) -> None:
    """Write the table of ages of portraits, each from the data set, or as face-api's network reads it."""
    file_of = {row["image"]: row["file"] for row in _read_table(report)}
    with Dataset.open(data) as dataset:
        years = load_age_network(judges)(dataset.images())[:, 0]
        lines = [
            _AgeLine(file_of[record.file], f"{read if record.age_years is None else record.age_years:.1f}")
            for record, read in zip(dataset.records, years, strict=True)
        ]
    write_file(out, format_csv(lines).encode())


@app.command()
def lists(
    faces: Annotated[Path, typer.Argument(help="Table of the portraits with the columns file, age_years and kept.")],
    data: Annotated[Path, typer.Argument(help="Data set that `gestaltgen dataset prepare` made of them.")],
    report: Annotated[Path, typer.Argument(help="Its report, which says what became of each portrait.")],
    exclude: Annotated[Path, typer.Option(help="List to write, of the images that did not pass the cleaning.")],
    balance: Annotated[Path, typer.Option(help="Table to write, of the images that smile and that rest.")],
) -> None:
    """Write the images that a training leaves out, and the groups that it shows evenly."""
    passed = {row["file"] for row in _read_table(faces) if row["kept"] == "yes"}
    kept = {row["image"] for row in _read_table(report) if row["file"] in passed}
    with Dataset.open(data) as dataset:
        left_out = [record.file for record in dataset.records if record.file not in kept]
        members = [index for index, record in enumerate(dataset.records) if record.file in kept]
        pictures = np.stack([dataset.image(index) for index in members])
        files = [dataset.records[index].file for index in members]
    smiles = CALIBRATED(find_landmarks(FaceDetector(), pictures))
    groups = ["smiling" if smile > SMILING else "resting" for smile in smiles]
    write_file(exclude, ("\n".join(left_out) + "\n").encode())
    write_file(balance, format_csv([_GroupLine(*line) for line in zip(files, groups, strict=True)]).encode())
    typer.echo(
        f"{len(left_out)} left out; {groups.count('smiling')} of {len(files)} smile; {np.isnan(smiles).sum()} not read"
    )


@app.command()
def judge(
    generator: Annotated[Path, typer.Argument(help="Checkpoint of the generator of portraits.")],
    data: Annotated[Path, typer.Option(help="Data set that it was trained on.")],
    held_out: Annotated[Path, typer.Option(help="Data set of portraits that were kept out.")],
    judges: JudgesFolder,
    exclude: Annotated[Path | None, typer.Option(help="List of images of the data set that were left out.")] = None,
    count: Annotated[int, typer.Option(min=16, help="Images compared.")] = 400,
    people: Annotated[int, typer.Option(min=4, help="Age progressions read.")] = 60,
) -> None:
    """Show what two networks that nothing was trained against see in the images of a generator."""
    left_out = set(exclude.read_text("utf-8").split()) if exclude else set()
    with Dataset.open(data) as dataset, Dataset.open(held_out) as others:
        kept = [index for index, record in enumerate(dataset.records) if record.file not in left_out]
        pictures, unseen = np.stack([dataset.image(index) for index in kept]), others.images()
    lines = measure_distances(generator, pictures, unseen, judges, count)
    typer.echo(format_csv(lines))
    typer.echo(format_csv(measure_progressions(generator, Judges(judges), people)))


def _read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    app()
