"""The networks of the parity fixtures, filled by rule."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.official import load_stylegan2_ada
from gen.published.stylegan2_ada import Network
from tests.data.fill import filled

DATA = Path(__file__).parents[1] / "data"

G32 = GeneratorConfig(32, 64, 64, 4, channel_base=1024, channel_max=64, vocabulary=Vocabulary())
D32 = DiscriminatorConfig(32, channel_base=1024, channel_max=64, vocabulary=Vocabulary(), mapping_layers=4)
FFHQ256 = GeneratorConfig(256, conv_clamp=256)
DFFHQ256 = DiscriminatorConfig(256, conv_clamp=256)


def fixture(name: str) -> dict[str, Tensor]:
    with np.load(DATA / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


@cache
def published_tensors(network: str) -> dict[str, Tensor]:
    """The tensors of a fixture's network, named as in the published checkpoints."""
    spec = json.loads((DATA / "stylegan2_ada.tensors.json").read_text())[network]
    tensors = {
        name: torch.from_numpy(filled(spec["prefix"] + name, t["shape"], spec["salt"], t["std"], t["mean"]))
        for name, t in spec["tensors"].items()
    }
    if blocks := spec.get("embed_block_diagonal"):
        embedding = tensors["mapping.embed.weight"]
        half = len(embedding) // 2
        embedding[:half, blocks[0] :] = 0
        embedding[half:, : blocks[0]] = 0
    return tensors


def generator_32(clamp: float | None = None) -> Generator:
    return load_stylegan2_ada(Generator(replace(G32, conv_clamp=clamp)), published_tensors("generator_cond_32"))


def discriminator_32(clamp: float | None = None) -> Discriminator:
    net = Discriminator(replace(D32, conv_clamp=clamp))
    return load_stylegan2_ada(net, published_tensors("discriminator_cond_32"))


def randomised(net: Network, seed: int = 3) -> Network:
    """All tensors away from their special initial values, so that a forgotten one shows."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in net.state_dict().values():
            tensor.add_(torch.randn(tensor.shape, generator=g) * 0.2)
    return net
