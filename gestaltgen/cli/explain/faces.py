"""`gestaltgen explain faces`: maps of the faces of a data set, summarised by regions, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress


def faces(
    classifier: Annotated[Path, typer.Argument(help="File of a classifier, or a folder of several, as of a run.")],
    dataset: Annotated[Path, typer.Argument(help="Data set, a folder or a zip.")],
    out: Annotated[Path, typer.Option(help="Folder of the report.")],
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Saliency method, may be given several times, or `all`; default: gradcam, integrated_gradients, "
            "lrp_epsilon_z_plus, occlusion."
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--faces", help="Largest number of faces, spread evenly over the conditions of the data set.")
    ] = 20,
    target: Annotated[
        str | None, typer.Option(help="Class to explain; default: the most probable one of each face.")
    ] = None,
    activations: Annotated[
        bool, typer.Option("--activations", help="Show the averages of activations by layer too.")
    ] = False,
    service: Annotated[
        str | None,
        typer.Option(
            help="URL of the service that made the faces. The report then shows each face with other conditions and "
            "edited, with the classifier's answers. This takes about ten seconds a face; the key is taken from "
            "GESTALTGEN_KEY."
        ),
    ] = None,
) -> None:
    """Show which parts of a face a classifier uses: maps, and the relevance of the regions of the face.

    The command goes on where it was stopped. A face that cannot be explained is named and skipped. `all` takes the
    methods that are defined for the network. A map is no basis for a diagnosis.
    """
    from contextlib import nullcontext

    from recognition.explanation.reports.face_page import NOTICE, PAGE
    from recognition.explanation.reports.face_report import FaceReportOptions, explain_dataset
    from recognition.runs.service_connection import connect

    console = make_console(soft_wrap=True)
    options = FaceReportOptions(tuple(dict.fromkeys(method or ())), count, target, activations)
    with nullcontext() if service is None else connect(service) as client:
        report = explain_dataset(classifier, dataset, out, options, ConsoleProgress(console), client)
    console.print(f"{len(report['faces'])} faces explained, {len(report['skipped'])} skipped: {out / PAGE}")
    console.print(NOTICE)
