"""In which precision a network computes here."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from core.precision import Precision


def computing(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Within, convolutions and products are in this precision; parameters, losses and sums stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
