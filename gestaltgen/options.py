"""Options that several commands take, as values."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import typer

from faces.errors import ConfigError


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
