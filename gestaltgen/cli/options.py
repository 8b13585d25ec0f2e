"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import torch
import typer

import weights as shipped
from core.errors import ConfigError
from core.precision import PrecisionChoice, resolve_precision
from core.setting_values import split_settings
from editing.face_editor import EditorFiles
from gen.networks import Discriminator, Generator
from inversion.inverter_file import load_discriminator
from inversion.similarity import DiscriminatorDistance


def _check_precision(name: str) -> str:
    try:
        resolve_precision(name, "cpu")
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    return name


PrecisionOption: TypeAlias = Annotated[
    PrecisionChoice,
    typer.Option(
        parser=_check_precision,
        metavar="[auto|float32|bfloat16]",
        help="Arithmetic of the networks; auto: bfloat16 on a CPU with matrix units for it (AMX), else float32, which "
        "is faster there. The results say which it was; between the two, pictures differ by rounding.",
    ),
]


def read_set_option(texts: Sequence[str]) -> dict[str, str]:
    """Split the NAME=VALUE texts of `--set`; another form is a usage error."""
    try:
        return split_settings(texts)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None


def choose_device(name: str) -> torch.device:
    """Choose the device of this process: under torchrun each process takes the GPU of its own number."""
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
    return None if path is None else load_discriminator(path, net)


def files_of(
    generator: Path | None,
    *,
    discriminator: Path | None = None,
    inverter: Path | None = None,
    directions: Path | None = None,
) -> EditorFiles:
    """The files of a generator, None for the default: those that are named, and else those that are shipped for it."""
    source = generator or shipped.default()
    named = {"discriminator": discriminator, "inverter": inverter, "directions": directions}
    return EditorFiles(source, **shipped.companions(source) | {part: path for part, path in named.items() if path})
