"""`gestaltgen train`: train a generator on a labelled data set."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from faces.dataset import Dataset
from gen.run import Progress
from gen.run import train as run_training
from gen.training import presets


def train(
    data: Annotated[Path, typer.Argument(help="Data set with labels, as `gestaltgen dataset` makes it.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there goes on.")] = Path("runs/run"),
    preset: Annotated[str, typer.Option(help=f"Networks and training: {', '.join(presets())}.")] = "phantom64",
    images: Annotated[int, typer.Option(help="Stop after so many real images were shown.")] = 200_000,
    snapshot: Annotated[int, typer.Option(help="Images between two snapshots.", min=1)] = 10_000,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.")] = 0,
    precision: Annotated[str, typer.Option(help="Of the convolutions: bfloat16 or float32.")] = "bfloat16",
    licence: Annotated[str, typer.Option(help="Of the weights, stored in them.")] = "Apache-2.0",
    threads: Annotated[int | None, typer.Option(help="CPU threads; one each for two runs beats two.")] = None,
) -> None:
    """Train a conditional StyleGAN2; the same command resumes a run that was stopped.

    The folder gets generator.safetensors (use it with `gestaltgen serve --weights`), sample sheets and a log.
    """
    if preset not in presets():
        raise typer.BadParameter(f"unknown preset {preset!r}; expected one of {', '.join(presets())}")
    if threads is not None:
        torch.set_num_threads(threads)
    console = Console()
    generator, discriminator, config = presets()[preset]
    config = dataclasses.replace(config, seed=seed, precision=precision)  # type: ignore[arg-type]
    with Dataset.open(data) as dataset:
        console.print(f"{len(dataset)} images of {dataset.size} px, preset {preset}, to {images} images; run in {out}")

        def show(progress: Progress) -> None:
            r = progress.report
            left = timedelta(seconds=round(progress.left_s))
            console.print(
                f"{r.images_seen:>9} images  {progress.images_per_s:5.1f}/s  left {left}  G {r.generator_loss:.2f}  "
                f"D {r.discriminator_loss:.2f}  R1 {r.r1:.3f}  sign {r.real_sign:+.2f}"
            )

        run_training(
            dataset,
            out,
            generator,
            discriminator,
            config,
            until_images=images,
            snapshot_images=snapshot,
            licence=licence,
            on_progress=show,
        )
    console.print(f"done: {out / 'generator.safetensors'}")
