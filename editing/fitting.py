"""Fitting of a generator's directions of smile and age to faces that it generates and that a reader reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.errors import ConfigError
from core.progress import SILENT, Progress, stepping_bar
from editing.condition_directions import fit_by_condition
from editing.direction_file import Directions
from editing.directions import Direction, fit, remeasure
from editing.entanglement import choose_layers, measure_entanglement, measure_person_distance, read_latents
from editing.face_readers import AGE, SMILE, FaceReading, Reader
from editing.patterns import fit_patterns
from editing.svm import Flags
from faces.measures.distances import Features
from gen.checkpoint import fingerprint
from gen.networks import Generator
from inversion.latent_region import LatentRegion, sample_latents

SEED: Final = 801
"""Seed of the latents that directions are fitted to."""

CLEAR: Final = {SMILE: (0.25, 0.75), AGE: (10.0, 35.0)}
"""Limits of clear examples by attribute: those without it are below the first, those with it above the second."""

STEADY_C: Final = 0.01
"""Weight C of the loss of the SVMs. Readings of faces have errors, and with the published value 1 a direction follows
the errors: two fits to disjoint halves then differ more, and separate fewer unseen faces
(weights/phantom128-directions.md)."""

TRUNCATION: Final = 0.6
"""Truncation of the people that layers are tried on, whose faces a detector finds."""

HELD_OUT: Final = 5
"""One face in this number is held out for measurement."""

_PEOPLE_COMPARED: Final = 1_000


@dataclass(frozen=True)
class FittingOptions:
    """How directions are fitted.

    Attributes:
        attributes: "smile", "age"; None for all that the reader reads.
        count: number of faces to generate and read.
        tried: number of people that each direction is tried on, for the table of its effects.
        seed: seed of the faces and of the cross-validation.
        licence: SPDX name of the licence that is stored with the directions.
    """

    attributes: Sequence[str] | None = None
    count: int = 20_000
    tried: int = 200
    seed: int = SEED
    licence: str = "Apache-2.0"


def fit_directions(
    generator: Generator, source: Path, reader: Reader, options: FittingOptions, progress: Progress = SILENT
) -> Directions:
    """Fit directions for all conditions together, and of the smile for each condition, and measure what they do.

    Args:
        generator: makes the faces, over all its labels in turn.
        source: file of the generator, which the directions name as their origin.
        reader: reads the faces.
        options: what is fitted, to how many faces.
        progress: shows the number of faces read.

    Raises:
        ConfigError: an attribute that the reader does not read.
        DirectionError: too few clear examples.
    """
    count, seed = options.count, options.seed
    w, cells = sample_latents(generator, count, seed)
    with stepping_bar(progress, "faces generated and read", count) as step:
        read = read_latents(generator, w, reader, step)
    attributes = _check_attributes(options.attributes, read)
    conditions = condition_names(generator, cells)
    unseen = np.random.default_rng(seed).permutation(count) < count // HELD_OUT
    origin = {"generator": source.name, "faces": count, "seed": seed}
    fitted = _fit_attributes(attributes, w[~unseen], read[~unseen], conditions[~unseen], seed, origin)
    kept = fit_patterns(w, read, conditions)
    directions = {}
    for name, direction in fitted.items():
        measured = _measure_accuracy(direction, w[unseen], read[unseen], conditions[unseen])
        directions[name] = measured.with_pattern(kept[direction.attribute][0], w)
    people = sample_latents(generator, options.tried, seed + 1)[0]
    with stepping_bar(progress, "faces moved and read", options.tried * (2 * len(directions) + 1)) as step:
        table = measure_entanglement(generator, people, list(directions.values()), reader, step)
    known = np.isfinite(read.identity).all(axis=1)
    return Directions(
        fingerprint(generator),
        directions,
        LatentRegion.of(w),
        measure_person_distance(read.identity[known][:_PEOPLE_COMPARED]),
        kept,
        tuple(table),
        f"{count} faces of {source.name}",
        options.licence,
    )


def measure_layers(
    known: Directions, generator: Generator, reader: Reader, tried: int, progress: Progress = SILENT
) -> Directions:
    """Return directions with the layers in which each acts (`editing.entanglement.choose_layers`).

    Args:
        known: directions of the generator.
        tried: number of people that the layers are tried on.
    """
    people = known.region.centre.lerp(sample_latents(generator, tried, SEED + 2)[0], TRUNCATION)
    chosen = {}
    with stepping_bar(
        progress, "faces moved and read", tried * generator.config.num_ws * len(known.directions)
    ) as step:
        for name, direction in known.directions.items():
            layers = choose_layers(generator, people, direction, reader, known.apart, step)
            chosen[name] = replace(direction, layers=layers)
    return replace(known, directions=chosen)


def condition_names(generator: Generator, cells: Tensor) -> npt.NDArray[np.str_]:
    """Return the condition of each place (n,) among the labels that `sample_latents` returns.

    The names are empty if the generator has one condition or none.
    """
    vocabulary = generator.config.vocabulary
    if vocabulary is None or len(vocabulary.conditions) == 1:
        return np.full(len(cells), "")
    names: npt.NDArray[np.str_] = np.array(vocabulary.conditions)
    return np.asarray(names[cells.numpy() // len(vocabulary.ages)])


def clear_examples(values: Features, name: str) -> tuple[Flags, Flags]:
    """Return which faces (n,) are clear examples, and which of the clear ones (k,) have the attribute."""
    low, high = CLEAR[name]
    with np.errstate(invalid="ignore"):
        clear = (values < low) | (values > high)
    return clear, values[clear] > high


def _check_attributes(attributes: Sequence[str] | None, read: FaceReading) -> Sequence[str]:
    readable = [name for name in (SMILE, AGE) if name in read.attributes]
    wanted = attributes or readable
    if unknown := [name for name in wanted if name not in readable]:
        raise ConfigError(
            f"{', '.join(unknown)} cannot be read from these faces; expected some of {', '.join(readable)}"
        )
    return wanted


def _fit_attributes(
    attributes: Sequence[str],
    w: Tensor,
    read: FaceReading,
    conditions: npt.NDArray[np.str_],
    seed: int,
    origin: Mapping[str, Any],
) -> dict[str, Direction]:
    """Fit a direction for each attribute, and of the smile one for each condition too, by name."""
    directions: dict[str, Direction] = {}
    for name in attributes:
        clear, has = clear_examples(read.attributes[name], name)
        x = w[torch.from_numpy(clear)]
        if name != SMILE or len(set(conditions)) == 1:
            directions[name] = fit(x, has, name=name, C=STEADY_C, seed=seed, origin=origin)
            continue
        each = fit_by_condition(x, has, conditions[clear], name=name, C=STEADY_C, seed=seed, origin=origin)
        directions[name] = each.pooled
        for condition, direction in each.conditions.items():
            share = {"pooled_share": each.shares[condition], "gain": each.gains[condition]}
            directions[direction.name] = replace(direction, origin={**origin, **share})
    return directions


def _measure_accuracy(
    direction: Direction, w: Tensor, read: FaceReading, conditions: npt.NDArray[np.str_]
) -> Direction:
    """Measure a direction on faces that it was not fitted to; a condition's direction on faces of that condition."""
    clear, has = clear_examples(read.attributes[direction.attribute], direction.attribute)
    _, _, condition = direction.name.partition(" of ")
    here = conditions[clear] == condition if condition else np.ones(len(has), dtype=bool)
    measured = remeasure(direction, w[torch.from_numpy(clear)][torch.from_numpy(here)], has[here])
    return replace(measured, positive=direction.positive, negative=direction.negative)
