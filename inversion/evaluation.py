"""Evaluation of inversion: every method on the same held-out faces, side by side."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from core.errors import ConfigError
from core.precision import Precision
from faces.contact_sheets import contact_sheet
from faces.datasets.dataset import Dataset
from faces.images import Pixels, to_tensor, to_uint8
from faces.oracle.attribute_network import Oracle
from faces.phantoms.phantom_dataset import fresh_phantoms, is_phantoms
from gen.networks import Generator
from inversion.encoder_inverter import EncoderInverter
from inversion.inverter import Inverter
from inversion.optimisation import PIVOT_SEARCH, ProjectionConfig, Space, TuningConfig, find_pivot, project, tune
from inversion.quality import HIGHER_IS_BETTER, Judge, Quality
from inversion.result import Inversion
from inversion.similarity import Perceptual

Invert = Callable[[Tensor], Inversion]
"""A method: faces (n, 3, h, h) to their inversion."""

CHUNK = 8
"""Faces inverted at once, and between two reports of progress."""


SEED: Final = 705
"""Seed of the phantoms that are drawn to measure by; no training draws from it."""

NOTICE: Final = "Reconstructions are edited images, and no basis for a diagnosis."
"""Notice on the sheet of reconstructions."""

_SHOWN: Final = 8


@dataclass(frozen=True)
class HeldOutFaces:
    """Faces that methods are measured on, and that no training used.

    Attributes:
        faces: (n, 3, h, h) in [-1, 1].
        description: what they are, in words.
        phantoms: they are phantoms, which the oracle can read.
    """

    faces: Tensor
    description: str
    phantoms: bool


@dataclass(frozen=True)
class ReadingAgreement:
    """Agreement of the oracle's readings of faces and of their reconstructions, for phantoms.

    Attributes:
        condition, age_group: shares of faces with the same reading.
        smile: mean absolute difference of the smile, in [0, 1].
    """

    condition: float
    age_group: float
    smile: float


@dataclass(frozen=True)
class MethodFigures:
    """Figures of one method on held-out faces.

    Attributes:
        name: of the method.
        faces: how many.
        means: of each measure of `inversion.quality.Quality`, over the faces that have it.
        seconds: a face, in batches of CHUNK.
        verdicts: faces by verdict.
        kept: None where no oracle can read.
        precision: of the networks.
    """

    name: str
    faces: int
    means: dict[str, float]
    seconds: float
    verdicts: dict[str, int]
    kept: ReadingAgreement | None
    precision: Precision


@dataclass(frozen=True)
class MethodResult:
    """Figures of a method, with the quality of each face and the reconstructions of the first."""

    figures: MethodFigures
    quality: tuple[Quality, ...]
    reconstructions: Tensor


def load_held_out(path: Path | None, count: int, side: int) -> HeldOutFaces:
    """Load held-out faces, or draw phantoms.

    Args:
        path: data set of faces; None draws phantoms.
        count: number of faces at most.
        side: side of the pictures in pixels, the generator's.

    Raises:
        ConfigError: the pictures of the data set have another size.
    """
    if path is None:
        drawn = np.concatenate(list(fresh_phantoms(count, side, SEED)))
        return HeldOutFaces(to_tensor(drawn), f"{count} phantoms drawn for the purpose", phantoms=True)
    with Dataset.open(path) as dataset:
        if dataset.size != side:
            raise ConfigError(f"{path} is of {dataset.size} px; expected {side}, the generator's size")
        images = np.stack([dataset.image(index) for index in range(min(len(dataset), count))])
        return HeldOutFaces(to_tensor(images), f"{len(images)} of {path.name}", is_phantoms(dataset))


def make_fast_methods(inverter: Inverter, passes: int, precision: Precision = "float32") -> dict[str, Invert]:
    """Make the trained methods by name: the encoder alone, and 1 to `passes` passes if there is a hypernetwork."""
    if isinstance(inverter, EncoderInverter):
        return {"encoder": partial(inverter.invert, precision=precision)}
    names = ["encoder", "1 pass", *(f"{count} passes" for count in range(2, passes + 1))][: passes + 1]
    return {name: partial(inverter.invert, passes=count, precision=precision) for count, name in enumerate(names)}


def make_slow_methods(generator: Generator, steps: int, perceptual: Perceptual | None) -> dict[str, Invert]:
    """Make the methods that optimise, by name; they begin at the average latent."""

    def project_faces(faces: Tensor, space: Space) -> Inversion:
        return project(generator, faces, ProjectionConfig(space, steps), perceptual=perceptual)

    def tune_faces(faces: Tensor) -> Inversion:
        pivot = find_pivot(generator, faces, replace(PIVOT_SEARCH, steps=steps), perceptual=perceptual)
        return tune(generator, faces, pivot, TuningConfig(steps), perceptual=perceptual)

    return {
        "W": lambda faces: project_faces(faces, "w"),
        "W+": lambda faces: project_faces(faces, "w+"),
        "PTI": tune_faces,
    }


def measure(
    name: str,
    invert: Invert,
    faces: Tensor,
    judge: Judge,
    oracle: Oracle | None = None,
    on_progress: Callable[[int], None] = lambda done: None,
    described: int | None = None,
) -> MethodResult:
    """Measure one method on faces (n, 3, h, h) of the generator's size.

    Args:
        described: faces, the first, whose descriptors are compared, which is slow; None for all.
        judge: measures the result. What the method itself measures counts into its time.
        oracle: reads faces and reconstructions; None for photographs.
        on_progress: called with the number of faces inverted since the last call.
    """
    quality: list[Quality] = []
    pictures: list[Tensor] = []
    seconds = 0.0
    precision: Precision = "float32"
    for part in torch.split(faces, CHUNK):
        began = time.perf_counter()
        inversion = invert(part)
        seconds += time.perf_counter() - began
        slow = described is None or len(quality) < described
        quality += (judge if slow else replace(judge, look=None, read=None))(inversion.reconstruction, part)
        if oracle is not None or sum(map(len, pictures)) < _SHOWN:  # hundreds of large pictures would fill the memory
            pictures.append(inversion.reconstruction)
        precision = inversion.precision
        on_progress(len(part))
    made = torch.cat(pictures)
    verdicts = [face.verdict for face in quality if face.verdict is not None]
    figures = MethodFigures(
        name,
        len(faces),
        {measure: _mean(quality, measure) for measure in HIGHER_IS_BETTER if _has(quality, measure)},
        seconds / len(faces),
        {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)},
        None if oracle is None else compare_readings(oracle, faces, made),
        precision,
    )
    return MethodResult(figures, tuple(quality), made)


def make_sheet(faces: Tensor, measured: Sequence[MethodResult]) -> Pixels:
    """Make a contact sheet: a row for each of the first faces, with its reconstruction by each method."""
    shown = min(_SHOWN, *(len(method.reconstructions) for method in measured))
    columns = [to_uint8(faces[:shown]), *(to_uint8(method.reconstructions[:shown]) for method in measured)]
    titles = ["face", *(method.figures.name for method in measured)]
    rows = [[column[row] for column in columns] for row in range(shown)]
    return contact_sheet(rows, column_titles=titles, footer=NOTICE)


def compare_readings(oracle: Oracle, faces: Tensor, made: Tensor) -> ReadingAgreement:
    """Compare the oracle's readings of faces and of their reconstructions, both (n, 3, h, h)."""
    before, after = (oracle.read_pixels(to_uint8(pictures)) for pictures in (faces, made))
    return ReadingAgreement(
        (before.condition == after.condition).double().mean().item(),
        (before.age_group == after.age_group).double().mean().item(),
        (before.smile - after.smile).abs().double().mean().item(),
    )


def _has(quality: Sequence[Quality], measure: str) -> bool:
    return any(getattr(face, measure) is not None for face in quality)


def _mean(quality: Sequence[Quality], measure: str) -> float:
    return float(np.mean([value for face in quality if (value := getattr(face, measure)) is not None]))
