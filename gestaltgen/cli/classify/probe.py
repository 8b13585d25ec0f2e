"""`gestaltgen classify probe`: measure whether classifiers react to the expression."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.classify.shared_options import SERVICE, console, progress


def probe(
    runs: Annotated[list[str], typer.Argument(help="PATH or NAME=PATH each: folders of runs, the control first.")],
    faces: Annotated[Path, typer.Option(help="Data set of aligned faces that nothing was trained on.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and the result.")] = Path("runs/probe"),
    each: Annotated[
        int, typer.Option(help="Number of faces of each condition, the first ones; about two seconds each.", min=2)
    ] = 12,
    service: Annotated[
        str, typer.Option(help="Service that edits the faces; its key is taken from GESTALTGEN_KEY.")
    ] = SERVICE,
    model: Annotated[str | None, typer.Option(help="Model of the service; default: its first.")] = None,
) -> None:
    """Measure whether classifiers react to the expression: edit unseen faces to a smile and to rest, and predict again.

    The result is, for each condition, how the probability of the true condition changes, paired by face. An edit
    changes more than the expression. Therefore name a control first: a run on faces whose expression says nothing
    about the condition. Then look at what another run does beyond it on the same pictures.

    Example: gestaltgen classify probe balanced=runs/balanced mine=runs/mine --faces unseen.zip
    """
    from core.progress import stepping_bar
    from gestaltgen.cli.classify.tables import print_effects
    from recognition.ensemble import Ensemble
    from recognition.images.samples import load_real_samples
    from recognition.results.expression_probe import SMILES, take_first_of_each
    from recognition.results.expression_probe import probe_expression as probe_with
    from recognition.runs.run_files import RunFiles, parse_named_paths
    from recognition.runs.service_connection import connect

    folders = parse_named_paths(runs)
    classes = tuple(RunFiles(next(iter(folders.values()))).read()["asked"]["classes"])
    ensembles = {name: Ensemble.open(folder) for name, folder in folders.items()}
    chosen = take_first_of_each(load_real_samples(faces, classes), each)
    with connect(service) as client, stepping_bar(progress, "editing", len(chosen)) as step:
        result = probe_with(ensembles, chosen, client, out, model=model, on_face=lambda: step(1))
    print_effects(console, result)
    for key, reason in result.left_out.items():
        console.print(f"left out: face {key[:12]}: {reason}", markup=False)
    console.print(f"look at {out / 'sheet.png'}: one face a row, as sent, reconstructed, {', '.join(SMILES)}")
