"""Precisions that networks compute in, and the choice of one for a device.

PyTorch is imported inside the functions, so that modules that only name a precision load without it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from core.errors import ConfigError

if TYPE_CHECKING:
    import torch

Precision: TypeAlias = Literal["float32", "bfloat16"]

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

PrecisionChoice: TypeAlias = Literal["auto", "float32", "bfloat16"]
"""Precision that may be asked for. `resolve_precision` makes a Precision of it, and only that is ever recorded."""


def automatic_precision(device: torch.device | str) -> Precision:
    """Choose the faster precision of a device: bfloat16 if it has matrix units for it, else float32.

    The choice follows from the hardware alone and nothing is timed, so that one machine always makes the same choice
    and the same request stays the same image set. Processors with vector instructions for bfloat16 but no matrix units
    (AVX-512, no AMX) take float32, in which oneDNN infers up to twice as fast there.
    """
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        with torch.cuda.device(device):
            return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and torch.cpu._is_amx_tile_supported() else "float32"


def resolve_precision(name: str, device: torch.device | str) -> Precision:
    """Return the precision of this name, for "auto" the one that `automatic_precision` chooses.

    Raises:
        ConfigError: an unknown name.
    """
    if name == "auto":
        return automatic_precision(device)
    if name not in PRECISIONS:
        raise ConfigError(
            f"precision is {name!r}; expected one of {', '.join(get_args(PrecisionChoice))}: auto takes the one that "
            "the hardware is made for"
        )
    return name


def dtype_of(precision: Precision) -> torch.dtype:
    """Return the data type of the convolutions; parameters, latents and images are float32 in every precision."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def precision_of(dtype: torch.dtype) -> Precision:
    """Return the precision whose convolutions have this data type, one of those of `dtype_of`."""
    import torch

    return "bfloat16" if dtype == torch.bfloat16 else "float32"


def autocast_to(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which convolutions and matrix products are computed in this precision.

    Parameters, losses and sums stay float32.
    """
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
