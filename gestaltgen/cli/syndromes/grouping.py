"""`gestaltgen syndromes grouping`: are the patients with a syndrome a group?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.syndromes.options import (
    AncestryOption,
    ControlOption,
    DatasetArgument,
    DescriptorOption,
    PermutationsOption,
    SeedOption,
)


def grouping(
    dataset: DatasetArgument,
    out: Annotated[
        Path, typer.Option(help="Folder in which the features of the faces are kept, and groups.json is written.")
    ] = Path("runs/syndromes"),
    photo: Annotated[
        Path | None, typer.Option(help="Photograph of one more person: is this face like the patients?")
    ] = None,
    control: ControlOption = None,
    ancestry: AncestryOption = True,
    permutations: PermutationsOption = 999,
    descriptor: DescriptorOption = None,
    seed: SeedOption = 0,
) -> None:
    """Ask whether the patients with a syndrome look more like each other than like matched controls.

    The clustering improvement factor says how much nearer a patient's nearest fellow is than by chance; p is that of a
    permutation test inside the matched pairs, and p (Holm) is corrected for the number of syndromes. A photograph has a
    p for each syndrome too, which is not corrected: a small one says that the face is less like the patients than they
    are like each other.

    Columns: "improvement" is the factor, and "by chance" its mean for exchanged labels. For a photograph, "intruders"
    counts the controls that are nearer to it than the nearest patient, and "controls as like" is the share of controls
    that are as like the patients. Research use: no figure is a diagnosis.
    """
    from rich.table import Table

    from core.atomic_files import write_file
    from faces.images import read_image
    from recognition.syndromes.comparison.groups import measure_groups, tabulate_groups
    from recognition.syndromes.comparison.settings import ComparisonSettings

    console = make_console(soft_wrap=True)
    usual = ComparisonSettings()
    settings = ComparisonSettings(
        controls=tuple(control or usual.controls),
        ancestry=ancestry,
        permutations=permutations,
        descriptor=descriptor,
        seed=seed,
    )
    face = None if photo is None else read_image(photo)
    results, cohort = measure_groups(dataset, out, settings, face, ConsoleProgress(console))
    header, *rows = tabulate_groups(results)
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for result in results:
        if result.likeness is not None and result.test is not None:
            least = 1 / (result.test.patients + 1)
            console.print(f"{result.syndrome}: the p of a photograph cannot be below {least:.3f}", markup=False)
        for person, reason in result.unmatched:
            console.print(f"{result.syndrome}: {person} is left out, {reason}", markup=False)
    for problem in cohort.problems:
        console.print(f"{problem.file}: {problem.reason}", markup=False)
    answers = {"groups": [asdict(result) for result in results], "problems": [asdict(one) for one in cohort.problems]}
    write_file(out / "groups.json", json.dumps(answers, indent=2).encode(), private=True)
    console.print("Research use: no figure is a diagnosis.")
