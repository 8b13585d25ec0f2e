"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, get_args

import typer

import weights as shipped
from core.errors import ConfigError
from core.precision import PrecisionChoice
from core.setting_values import split_settings

if TYPE_CHECKING:  # they bring PyTorch with them
    import torch

    from editing.face_editor import EditorFiles
    from gen.networks import Discriminator, Generator
    from inversion.similarity import DiscriminatorDistance


def _check_precision(name: str) -> str:
    if name not in get_args(PrecisionChoice):
        raise typer.BadParameter(f"{name!r}; expected one of {', '.join(get_args(PrecisionChoice))}")
    return name


PrecisionOption: TypeAlias = Annotated[
    PrecisionChoice,
    typer.Option(
        parser=_check_precision,
        metavar="[auto|float32|bfloat16]",
        help="Arithmetic of the networks; auto: the faster one on this machine, which is bfloat16 on "
        "CPUs with matrix units for it (AMX). The results say which it was; pictures of the two differ by rounding.",
    ),
]

ThreadsOption: TypeAlias = Annotated[int | None, typer.Option(help="Number of CPU threads.", min=1)]


def set_threads(count: int | None) -> None:
    """Set the number of CPU threads of this process; None leaves it as it is."""
    if count is not None:
        import torch

        torch.set_num_threads(count)


def read_set_option(texts: Sequence[str]) -> dict[str, str]:
    """Split the NAME=VALUE texts of `--set`; another form is a usage error."""
    try:
        return split_settings(texts)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None


def choose_device(name: str) -> torch.device:
    """Choose the device of this process: under torchrun each process takes the GPU of its own number."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter(f"{name!r}; expected auto, cpu or cuda", param_hint="--device")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda, and torch sees no GPU here; take --device cpu, or install torch for CUDA")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def load_discriminator_distance(
    discriminator: Path | None, generator: Path, net: Generator
) -> DiscriminatorDistance | None:
    """Return the distance on the features of the named discriminator, or of the one shipped with a shipped generator;
    None if there is neither.

    Args:
        generator: the file of the network `net`.

    Raises:
        ConfigError: the file holds something else, or a discriminator of another size.
    """
    from inversion.similarity import DiscriminatorDistance

    judge = load_chosen_discriminator(discriminator, generator, net)
    return None if judge is None else DiscriminatorDistance(judge)


def load_chosen_discriminator(discriminator: Path | None, generator: Path, net: Generator) -> Discriminator | None:
    """Load the named discriminator, or the one shipped with a shipped generator; None if there is neither. Arguments
    and errors are those of `load_discriminator_distance`."""
    from inversion.inverter_file import load_discriminator

    path = discriminator or shipped.companion(generator, "discriminator")
    return None if path is None else load_discriminator(path, net)


def find_editor_files(
    generator: Path | None,
    *,
    discriminator: Path | None = None,
    inverter: Path | None = None,
    directions: Path | None = None,
) -> EditorFiles:
    """Return the files that are named; for the rest those beside the generator, as NAME-inverter.safetensors beside
    NAME.safetensors, or the shipped ones. A generator of None is the default one."""
    from editing.face_editor import EditorFiles

    source = generator or shipped.default()
    named = {"discriminator": discriminator, "inverter": inverter, "directions": directions}
    found = shipped.companions(source) | shipped.find_companions(source)
    return EditorFiles(source, **found | {part: path for part, path in named.items() if path})
