"""Faces whose "smile" is how bright the tiny generator makes them, so that editing can be tried without training."""

from __future__ import annotations

from functools import cache

import numpy as np
from torch import Tensor

from editing.directions import Direction, fit
from editing.entanglement import measure_person_distance
from editing.face_readers import AGE, SMILE, FaceReading
from editing.latent_editor import LatentEditor
from inversion.latent_region import LatentRegion, sample_latents
from inversion.result import Inversion, wrap_generated
from tests.inversion.tiny import shared_generator


def read(images: Tensor) -> FaceReading:
    bright = images.mean(dim=(1, 2, 3)).double().numpy()
    low, high = _range()
    red, blue = (images[:, place].mean(dim=(1, 2)).double().numpy() for place in (0, 2))
    attributes = {SMILE: np.clip((bright - low) / (high - low), 0, 1), AGE: 50 * (1 + red)}
    return FaceReading(attributes, np.stack([red, blue], axis=1), np.empty((len(red), 0)))


@cache
def _range() -> tuple[float, float]:
    w, _ = sample_latents(shared_generator(), 200, 1)
    bright = render_all(w).mean(dim=(1, 2, 3))
    return bright.quantile(0.02).item(), bright.quantile(0.98).item()


def render_all(w: Tensor) -> Tensor:
    generator = shared_generator()
    return generator.synthesize(w[:, None].expand(-1, generator.config.num_ws, -1)).clamp(-1, 1)


@cache
def latents() -> Tensor:
    return sample_latents(shared_generator(), 600, 2)[0]


@cache
def readings() -> FaceReading:
    return read(render_all(latents()))


@cache
def brightness() -> Direction:
    smile = readings().smile
    return fit(latents(), smile > np.median(smile), name=SMILE)


@cache
def editor() -> LatentEditor:
    return LatentEditor(
        shared_generator(), read, measure_person_distance(readings().identity), LatentRegion.of(latents())
    )


@cache
def face(seed: int) -> Inversion:
    w, _ = sample_latents(shared_generator(), 1, seed)
    return wrap_generated(shared_generator(), w[:, None].repeat(1, shared_generator().config.num_ws, 1))


@cache
def darkest() -> Inversion:
    place = int(np.argmin(readings().smile))
    w = latents()[place][None, None].repeat(1, shared_generator().config.num_ws, 1)
    return wrap_generated(shared_generator(), w)
