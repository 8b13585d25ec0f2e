"""In which precision a network computes here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, TypeAlias

import torch

Precision: TypeAlias = Literal["float32", "bfloat16"]


def resolved(name: str, device: torch.device) -> Precision:
    """The precision that a name stands for on a device: "auto" is bfloat16 where there are matrix units for it.

    It follows from the hardware alone, so that the same machine always trains the same. Processors that have bfloat16
    in their vector units only (AVX-512, no AMX) take float32, which is as fast there.
    """
    if name != "auto":
        return "bfloat16" if name == "bfloat16" else "float32"
    if device.type == "cuda":
        with torch.cuda.device(device):
            return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and torch.cpu._is_amx_tile_supported() else "float32"


def computing(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Within, convolutions and products are in this precision; parameters, losses and sums stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
