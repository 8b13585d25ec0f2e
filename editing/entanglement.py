"""Measurement of the attributes that change when latents move along a direction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from editing.directions import Direction
from editing.face_readers import FaceReading, Reader
from faces.measures.distances import Features
from gen.networks import Generator

CHUNK = 16


@dataclass(frozen=True)
class DirectionEffects:
    """Effects of one direction on the faces of many latents.

    Attributes:
        direction: its name.
        by: the strength of a step, one standard deviation of the latents along the direction.
        slopes: by attribute, the mean change of what is read for one such step.
        identity: mean distance of the identity between a step back and a step on, for one step, in units of the mean
            distance between different people.
    """

    direction: str
    by: float
    slopes: Mapping[str, float]
    identity: float


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
    table = []
    for direction in directions:
        back, on = (
            read_latents(generator, direction.move(w, sign * direction.spread), reader, on_progress) for sign in (-1, 1)
        )
        slopes = {name: float(np.nanmean(on.attributes[name] - back.attributes[name]) / 2) for name in back.attributes}
        drift = float(np.nanmean(np.linalg.norm(on.identity - back.identity, axis=1)) / 2)
        table.append(DirectionEffects(direction.name, direction.spread, slopes, drift / spread))
    return table


def measure_person_distance(identity: Features) -> float:
    """Return the mean distance between identities (n, d) of different people; unreadable ones (NaN) are left out."""
    known = identity[np.isfinite(identity).all(axis=1)]
    apart = np.linalg.norm(known[:, None] - known[None], axis=2)
    return float(apart[np.triu_indices(len(known), 1)].mean())


@torch.no_grad()
def read_latents(generator: Generator, w: Tensor, reader: Reader, on_progress: Callable[[int], None]) -> FaceReading:
    """Read the faces of latents (n, d); on_progress gets the number of faces read since the last call."""
    parts = []
    for part in torch.split(w, CHUNK):
        parts.append(reader(generator.synthesize(part[:, None].expand(-1, generator.config.num_ws, -1)).clamp(-1, 1)))
        on_progress(len(part))
    return FaceReading.cat(parts)
