"""Error with which a generator reproduces pictures: small for those that it has learnt by heart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from faces.images import Pixels, to_tensor
from gen.networks import Generator
from inversion.networks.encoder import resize
from inversion.optimisation import PIVOT_SEARCH, find_pivot
from inversion.similarity import mean_square

STEPS: Final = 40
"""Steps of the search, half of those of a pivot."""

_BATCH: Final = 16


def measure_inversion_errors(
    generator: Generator,
    images: Pixels,
    on_progress: Callable[[int], None] = lambda done: None,
    *,
    steps: int = STEPS,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """Measure the mean squared error (n,) of the best image that is found for each picture uint8 (n, h, h, 3).

    Only the latent is optimised, in W, no further out than the generator's own latents, and no kernel is changed.

    Args:
        on_progress: called with the number of pictures done since the last call.
        steps, seed: of the search.
    """
    errors = []
    for start in range(0, len(images), _BATCH):
        target = resize(to_tensor(images[start : start + _BATCH]), generator.config.resolution)
        w = find_pivot(generator, target, replace(PIVOT_SEARCH, steps=steps), seed=seed)
        with torch.no_grad():
            errors.append(mean_square(generator.synthesize(w), target))
        on_progress(len(target))
    return torch.cat(errors).double().numpy()
