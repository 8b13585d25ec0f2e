from __future__ import annotations

import numpy as np
import torch

from faces.images import Pixels
from inversion.inversion_error import measure_inversion_errors
from tests.inversion.tiny import tiny_generator


def test_what_the_generator_makes_is_reproduced_better_than_noise() -> None:
    generator = tiny_generator()
    z = torch.randn(4, generator.config.z_dim, generator=torch.Generator().manual_seed(1))
    vocabulary = generator.config.vocabulary
    c = None if vocabulary is None else vocabulary.encode().expand(4, -1)
    with torch.no_grad():
        made = generator(z, c).clamp(-1, 1)
    own: Pixels = ((made + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    other = np.random.default_rng(0).permuted(own, axis=1)
    done: list[int] = []
    errors = measure_inversion_errors(generator, np.concatenate([own, other]), done.append, steps=10)
    assert errors.shape == (8,)
    assert sum(done) == 8
    assert errors[:4].mean() < errors[4:].mean()
