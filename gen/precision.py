"""The two precisions that networks run in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import torch

Precision: TypeAlias = Literal["float32", "bfloat16"]

DTYPES: Final[Mapping[str, torch.dtype]] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""Of the convolutions; parameters, latents and images are float32 in both."""
