"""The precisions that networks run in, as PyTorch calls them; which one is taken is in `core.precision`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch

from core.precision import Precision, PrecisionChoice, automatic, resolved

__all__ = ["DTYPES", "Precision", "PrecisionChoice", "automatic", "resolved"]

DTYPES: Final[Mapping[str, torch.dtype]] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Of the convolutions; parameters, latents and images are float32 in both."""
