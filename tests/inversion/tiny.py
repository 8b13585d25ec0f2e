"""A tiny inverter, untrained, for what does not depend on its skill."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from gen.config import GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Generator
from inversion.config import EncoderConfig, HypernetworkConfig
from inversion.inverter import Inverter

GENERATOR = GeneratorConfig(64, 16, 16, 2, channel_base=512, channel_max=16, vocabulary=Vocabulary())
ENCODER = EncoderConfig(32, (8, 8, 16, 16), (1, 1, 1, 1))
HYPERNETWORK = HypernetworkConfig(32, (8, 8, 16, 16), (1, 1, 1, 1), shared_width=8, other_width=8)


def tiny_generator(seed: int = 1) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Generator(GENERATOR).eval().requires_grad_(False)


def tiny_inverter(seed: int = 1, **settings: object) -> Inverter:
    """Its last layers are drawn too, so that the offsets are not zero."""
    generator = tiny_generator(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inverter = Inverter(generator, ENCODER, HYPERNETWORK, **settings)  # type: ignore[arg-type]
        for parameter in inverter.hypernet.parameters():
            if not parameter.detach().any():
                torch.nn.init.normal_(parameter, std=0.02)
    return inverter.eval().requires_grad_(False)


@cache
def shared_generator() -> Generator:
    """`tiny_generator()`, compiled once for all tests that leave its weights alone."""
    return tiny_generator()


@cache
def shared_inverter() -> Inverter:
    """`tiny_inverter()`, compiled once for all tests that leave its weights alone."""
    return tiny_inverter()


def some_faces(n: int, side: int = 64, seed: int = 5) -> Tensor:
    """Pictures that the tiny generator makes, clipped: (n, 3, side, side)."""
    generator = shared_generator()
    draw = torch.Generator().manual_seed(seed)
    c = Vocabulary().encode("WS", "child")[None].expand(n, -1)
    faces = generator(torch.randn(n, 16, generator=draw), c).clamp(-1, 1).detach()
    return faces if side == 64 else torch.nn.functional.interpolate(faces, (side, side))
