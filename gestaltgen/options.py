"""Options that several commands take, as values."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import typer

import weights as shipped
from editing.readers import Reader, phantom_reader, photograph_reader
from faces import landmarks, oracle
from faces.descriptors import FaceDescriber, landmarks_in
from faces.detect import FaceDetector
from faces.distances import Features
from faces.errors import ConfigError
from faces.images import Pixels
from gen import checkpoint
from gen.networks import Discriminator, Generator
from gestaltgen.evaluation_data import PHANTOMS
from inversion.similarity import DiscriminatorDistance


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE texts as a mapping."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise typer.BadParameter(f"{text!r}; expected NAME=VALUE, as r1_gamma=2", param_hint="--set")
        found[name.strip()] = value.strip()
    return found


def device_named(name: str) -> torch.device:
    """The device of this process: under torchrun each takes the GPU of its own number."""
    if name not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f"{name!r}; expected auto, cpu or cuda", param_hint="--device")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda, and torch sees no GPU here; take --device cpu, or install torch for CUDA")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def likeness(
    discriminator: Path | None, generator: Path, net: Generator, device: torch.device | None = None
) -> DiscriminatorDistance | None:
    """The distance on features of a generator's discriminator: of the file that is named, or of the one shipped with
    a shipped generator; None for another generator without one.

    Args:
        generator: the file of the network `net`.

    Raises:
        ConfigError: the file holds something else, or a discriminator of another size.
    """
    judge = discriminator_of(discriminator, generator, net)
    return None if judge is None else DiscriminatorDistance(judge.to(device))


def discriminator_of(discriminator: Path | None, generator: Path, net: Generator) -> Discriminator | None:
    """The discriminator that is named, or the one shipped with a shipped generator; arguments and errors as
    `likeness`."""
    path = discriminator or shipped.companion(generator, "discriminator")
    if path is None:
        return None
    judge = checkpoint.load(path)
    side = net.config.resolution
    if not isinstance(judge, Discriminator) or judge.config.resolution != side:
        raise ConfigError(f"{path} holds no discriminator of {side} px; expected that of the generator")
    return judge


def face_reader(generator: Path, detector: FaceDetector) -> Reader:
    """What reads the faces of a generator: the oracle, where it was last trained on phantoms; else landmarks and face
    descriptors."""
    if _of_phantoms(generator):
        reads, info = oracle.load(shipped.oracle())
        return phantom_reader(reads, info.steady)
    return photograph_reader(FaceDescriber(detector).look)


def landmark_finder(generator: Path, detector: FaceDetector) -> Callable[[Pixels], Features]:
    """What finds the landmarks (n, 68, 2) of a generator's faces uint8 (n, h, h, 3), NaN where there is no face: a
    network of their own for phantoms, else the detector."""
    if _of_phantoms(generator):
        return landmarks.load(shipped.landmarks())[0].find
    return partial(landmarks_in, detector)


def _of_phantoms(generator: Path) -> bool:
    return checkpoint.read_info(generator).origin.endswith(PHANTOMS)
