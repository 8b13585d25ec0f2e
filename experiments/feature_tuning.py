"""Pivotal tuning with and without the term for the structure of eyes and mouth, on portraits that are not held out.

`python -m experiments.feature_tuning PORTRAITS/images` tunes the 12 portraits by which the term and the number of steps
were chosen, and prints the means of what `inversion.facial_features` compares, and the seconds for a face.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import torch
import typer

import weights
from faces.detect import FaceDetector
from faces.images import read_image, to_tensor
from gen import checkpoint
from inversion.facial_features import compare_features
from inversion.framing import frame_face
from inversion.inverter_file import load_discriminator
from inversion.optimisation import PIVOT_SEARCH, TuningConfig, find_pivot, tune
from inversion.quality import FLOORS
from inversion.similarity import DiscriminatorDistance

PORTRAITS: Final = (755, 1850, 725, 1774, 813, 644, 1714, 2108, 841, 1832, 1930, 1529)
"""Numbers of the portraits, drawn from those that are not among docs/portraits-held-out.txt."""

CONFIGS: Final = {
    "before": TuningConfig(steps=130, similarity_weight=0.0),
    "the default": TuningConfig(),
}


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of the portraits.")],
    generator: Annotated[Path, typer.Option(help="Generator.")] = Path("weights/portraits128.safetensors"),
    count: Annotated[int, typer.Option(help="Number of portraits.", min=1, max=len(PORTRAITS))] = len(PORTRAITS),
    steps: Annotated[int | None, typer.Option(help="Number of steps of each part, instead of the defaults.")] = None,
) -> None:
    """Tune portraits with and without the term, and print how well eyes and mouth are reproduced."""
    net = checkpoint.load_generator(generator).requires_grad_(False)
    discriminator = weights.companion(generator, "discriminator")
    perceptual = None if discriminator is None else DiscriminatorDistance(load_discriminator(discriminator, net))
    detector = FaceDetector()
    photographs = [read_image(folder / f"p{number:04}.jpg") for number in PORTRAITS[:count]]
    faces = [frame_face(photograph, net.config.resolution, detector).face for photograph in photographs]
    target = to_tensor(np.stack(faces))
    began = time.process_time()
    search = PIVOT_SEARCH if steps is None else replace(PIVOT_SEARCH, steps=steps)
    pivot = find_pivot(net, target, search, perceptual=perceptual)
    typer.echo(f"search of the pivot: {(time.process_time() - began) / count:.1f} s of processor time a face")
    for name, config in CONFIGS.items():
        began = time.process_time()
        config = config if steps is None else replace(config, steps=steps)
        made = tune(net, target, pivot, config, perceptual=perceptual)
        seconds = (time.process_time() - began) / count
        with torch.no_grad():
            similar = compare_features(made.reconstruction, target)
        eyes, mouth = similar[:, :2].amin(dim=1), similar[:, 2].mean()
        structure = np.mean([face.ms_ssim for face in made.quality if face.ms_ssim is not None])
        within = int((eyes >= FLOORS.good["eyes"]).sum())
        typer.echo(
            f"{name}: worse eye {eyes.mean():.3f}, {within} of {count} within the floor; mouth {mouth:.3f}; "
            f"MS-SSIM {structure:.4f}; tuning {seconds:.1f} s"
        )


if __name__ == "__main__":
    typer.run(main)
