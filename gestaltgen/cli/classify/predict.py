"""`gestaltgen classify predict`: let the classifiers of a run name the faces of a test set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gestaltgen.cli.classify.shared_options import DeviceOption, UnknownOption, console, progress
from gestaltgen.cli.options import choose_device


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    test: Annotated[Path, typer.Option(help="Data set to measure on: persons that nothing was trained on.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the predictions, one CSV for each seed; default: RUN/predictions.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="A fold counts for a face if its largest probability is at least this; default: the threshold of the "
            "training."
        ),
    ] = None,
    unknown_training_images: UnknownOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Predict the condition of each face of a test set: the mean of the folds, for each seed.

    The command refuses a test set with an image or a person that the classifiers, or the generator of their synthetic
    images, have seen.
    """
    from recognition.images.samples import load_real_samples
    from recognition.results.report import NOTICE
    from recognition.runs.run_files import RunFiles
    from recognition.runs.training_run import check_unseen, predict_all

    files = RunFiles(run)
    about = files.read()
    if threshold is None:
        threshold = about.get("threshold")
    seen, persons = files.read_record()
    faces = load_real_samples(test, tuple(about["asked"]["classes"]))
    check_unseen(faces, seen, persons, unknown_allowed=unknown_training_images, progress=progress)
    folder = out or files.predictions
    predictions = predict_all(files, faces, folder, choose_device(device), threshold, progress)
    undecided = f", {predictions.undecided.mean():.1%} undecided" if predictions.undecided.any() else ""
    console.print(f"{predictions.correct.mean():.1%} right{undecided} of {len(predictions)} predictions in {folder}")
    console.print(NOTICE)
    console.print(f"next: gestaltgen classify report {folder} --out report")
