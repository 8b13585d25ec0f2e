"""Measurement of the attributes that change when latents move along a direction, in all layers or in one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from editing.direction_info import DirectionEffects
from editing.directions import Direction
from editing.face_readers import FaceReading, Reader
from faces.measures.distances import Features
from gen.networks import Generator
from gen.torch_inference import synthesize_images

CHUNK = 16
"""Most faces that are rendered at once."""

_LEAST_GAIN: Final = 0.5
"""Least change of the attribute for a change of the identity, of a layer that is taken, relative to the best layer."""

_CHUNK_PIXELS = 16 * 256**2
"""Most pixels of them, so that large faces fit into memory."""


def measure_entanglement(
    generator: Generator,
    w: Tensor,
    directions: Sequence[Direction],
    reader: Reader,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[DirectionEffects]:
    """Measure the change of every attribute along every direction, by central differences of one step each way.

    Args:
        generator: of the latents.
        w: (n, d), people to try it on, n of 2 or more.
        directions: to try.
        reader: reads the faces.
        on_progress: called with the number of faces read since the last call.
    """
    spread = measure_person_distance(read_latents(generator, w, reader, on_progress).identity)
    return [measure_effects(generator, w, direction, reader, spread, on_progress) for direction in directions]


def measure_effects(
    generator: Generator,
    w: Tensor,
    direction: Direction,
    reader: Reader,
    apart: float,
    on_progress: Callable[[int], None] = lambda done: None,
) -> DirectionEffects:
    """Measure the change of every attribute along one direction. Arguments as of `measure_entanglement`.

    Attributes that cannot be read on any face are left out; an identity that cannot is NaN.

    Args:
        apart: mean distance between different people.
    """
    rows = w if w.ndim == 3 else w[:, None].expand(-1, generator.config.num_ws, -1)
    back, on = (
        read_latents(generator, direction.move(rows, sign * direction.spread), reader, on_progress) for sign in (-1, 1)
    )
    changes = {name: (on.attributes[name] - back.attributes[name]) / 2 for name in back.attributes}
    drifts = np.linalg.norm(on.identity - back.identity, axis=1) / 2 / apart
    slopes = {name: _mean_known(change) for name, change in changes.items() if np.isfinite(change).any()}
    return DirectionEffects(direction.name, direction.spread, slopes, _mean_known(drifts))


def choose_layers(
    generator: Generator,
    w: Tensor,
    direction: Direction,
    reader: Reader,
    apart: float,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[int, ...]:
    """Choose the layers in which a direction changes its own attribute most for a change of the identity.

    The latents are moved in the layers of one resolution at a time, by two steps each way. Those of every resolution
    are taken that change the attribute by at least half as much, for the same change of the identity, as the best ones
    do. Arguments as of `measure_effects`.
    """
    num_ws = generator.config.num_ws
    along = (direction.vector if direction.pattern is None else direction.pattern).expand(num_ws, -1)
    gains = []
    blocks = [[0], *([first, first + 1] for first in range(1, num_ws - 1, 2))]
    for layers in blocks:
        alone = torch.zeros_like(along)
        alone[layers] = along[layers]
        step = replace(direction, pattern=alone, spread=2 * direction.spread)
        effects = measure_effects(generator, w, step, reader, apart, on_progress)
        slope = effects.slopes.get(direction.attribute, 0.0)
        gains.append(slope / effects.identity if effects.identity > 0 else 0.0)
    best = max(gains)
    taken = (layers for layers, gain in zip(blocks, gains, strict=True) if gain >= _LEAST_GAIN * best > 0)
    return tuple(layer for layers in taken for layer in layers)


def _mean_known(values: Features) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def measure_person_distance(identity: Features) -> float:
    """Return the mean distance between identities (n, d) of different people; unreadable ones (NaN) are left out, and
    without two readable ones it is NaN."""
    known = identity[np.isfinite(identity).all(axis=1)]
    if len(known) < 2:
        return float("nan")
    apart = np.linalg.norm(known[:, None] - known[None], axis=2)
    return float(apart[np.triu_indices(len(known), 1)].mean())


@torch.no_grad()
def read_latents(generator: Generator, w: Tensor, reader: Reader, on_progress: Callable[[int], None]) -> FaceReading:
    """Read the faces of latents (n, d) or (n, num_ws, d); on_progress gets the number of faces read since the last
    call."""
    parts = []
    for part in torch.split(w, max(1, min(CHUNK, _CHUNK_PIXELS // generator.config.resolution**2))):
        rows = part if part.ndim == 3 else part[:, None].expand(-1, generator.config.num_ws, -1)
        parts.append(reader(synthesize_images(generator, rows).clamp(-1, 1)))
        on_progress(len(part))
    return FaceReading.cat(parts)
