"""The published HyperStyle networks, filled by rule, against the numbers of the reference (shared fixture, float32)."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import CheckpointError
from inversion.official import load_hyperstyle
from tests.data.fill import filled
from tests.gen.fixtures import DATA, fixture

TOLERANCE = 2e-3
"""Of the deviation of the values."""


def published() -> dict[str, Tensor]:
    spec = json.loads((DATA / "hyperstyle_256.tensors.json").read_text())
    tensors = {}
    for name, t in spec["tensors"].items():
        values = filled(name, t["shape"], spec["salt"], t["std"], 0 if t["abs"] else t["mean"])
        tensors[name] = torch.from_numpy(np.abs(values) + np.float32(t["mean"]) if t["abs"] else values)
    return tensors | {"latent_avg": torch.from_numpy(filled("latent_avg", (14, 512), 0, 0.1))}


def close(ours: Tensor, theirs: Tensor) -> bool:
    return bool((ours - theirs).abs().max() < TOLERANCE * theirs.std())


@torch.no_grad()
@pytest.mark.usefixtures("computed_by_layers")
def test_the_published_networks_compute_what_the_reference_does() -> None:
    f, inverter = fixture("hyperstyle_256"), load_hyperstyle(published())
    image = f["image"].float() / 127.5 - 1
    assert inverter.least_gain is None, "all passes are made"
    w = inverter.encode(image)
    assert close(w[:, 0], f["w"])
    first, one, two = inverter.refine(image, w, passes=2)
    assert close(F.adaptive_avg_pool2d(first.reconstruction, 32), f["w_inversion_pooled32"])
    numbers = [0, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
    assert len(one.offsets) == len(numbers)
    for number, offset in zip(numbers, one.offsets.values(), strict=True):
        stats = f[f"delta{number:02d}_stats"]
        assert list(offset.shape) == stats[:5].int().tolist()
        assert abs(offset.double().mean() - stats[5]) < TOLERANCE * stats[6]
        assert abs(offset.double().std() - stats[6]) < TOLERANCE * stats[6]
        assert close(offset.flatten()[:32], f[f"delta{number:02d}_head"])
    for number, made in ((1, one), (2, two)):
        assert close(F.adaptive_avg_pool2d(made.reconstruction, 32), f[f"pass{number}_pooled32"])
        assert close(made.reconstruction[:, :, 96:128, 96:128], f[f"pass{number}_patch"])


def test_what_is_missing_or_strange_is_named() -> None:
    few = {"decoder.input.input": torch.zeros(1, 512, 4, 4), "latent_avg": torch.zeros(512)}
    with pytest.raises(CheckpointError, match="no tensor of hypernet, w_encoder"):
        load_hyperstyle(few)
    with pytest.raises(CheckpointError, match=r"'opts': expected decoder.\*"):
        load_hyperstyle({"opts": torch.zeros(1)})
