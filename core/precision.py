"""The precisions that networks run in, and the one that is taken where none is named."""

from __future__ import annotations

from typing import Literal, TypeAlias, cast, get_args

import torch

from core.errors import ConfigError

Precision: TypeAlias = Literal["float32", "bfloat16"]

PrecisionChoice: TypeAlias = Literal["auto", "float32", "bfloat16"]
"""What may be asked for; `resolved` makes a Precision of it, and only that is ever recorded."""


def automatic(device: torch.device | str) -> Precision:
    """The precision that pays on a device: bfloat16 where it has matrix units for it, else float32.

    It follows from the hardware alone, nothing is timed: the same machine always takes the same, and the same request
    stays the same image set. Processors with vector instructions for bfloat16 but no matrix units (AVX-512, no AMX)
    take float32, in which oneDNN infers up to twice as fast there.
    """
    device = torch.device(device)
    if device.type == "cuda":
        with torch.cuda.device(device):
            return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and torch.cpu._is_amx_tile_supported() else "float32"


def resolved(name: str, device: torch.device | str) -> Precision:
    """The precision that a name stands for on a device: the name itself, or what `automatic` takes for "auto".

    Raises:
        ConfigError: another name.
    """
    if name == "auto":
        return automatic(device)
    if name not in get_args(Precision):
        raise ConfigError(
            f"precision is {name!r}; expected one of {', '.join(get_args(PrecisionChoice))}: auto takes the one that "
            "the hardware is made for"
        )
    return cast(Precision, name)
