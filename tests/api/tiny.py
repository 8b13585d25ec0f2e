"""A tiny generator with random weights, as a checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch

from core.seen_images import UNKNOWN, SeenImages
from gen import checkpoint
from gen.config import GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Generator


def tiny_checkpoint(path: Path, *, trained: int = 10, seed: int = 0, seen: SeenImages = UNKNOWN) -> Path:
    """16 px, with so many training images of each condition and age; another seed gives other weights."""
    vocabulary = Vocabulary()
    config = GeneratorConfig(
        resolution=16,
        z_dim=16,
        w_dim=16,
        mapping_layers=2,
        channel_base=128,
        channel_max=16,
        vocabulary=vocabulary,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = Generator(config)
    counts = {c: dict.fromkeys(vocabulary.age_names, trained) for c in vocabulary.conditions}
    checkpoint.save(path, net, origin="random numbers", licence="Apache-2.0", training_counts=counts, seen=seen)
    return path
