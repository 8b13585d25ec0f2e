"""Import of published directions (InterfaceGAN and kin), and measurement of what they do to one generator's faces.

Their files hold numbers alone and name neither generator nor space, so the caller says both. What a wrong answer leads
to is measured: a direction of another generator has the right shape, and moves nothing.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from core import tensor_files
from core.errors import CheckpointError, DirectionError
from core.formats.arrays import read_array
from core.progress import SILENT, Progress, stepping_bar
from editing.direction_file import Directions
from editing.direction_info import DirectionEffects
from editing.directions import Direction, flatten_latents, remeasure
from editing.entanglement import measure_effects, measure_person_distance, read_latents
from editing.face_readers import FaceReading, Reader
from editing.fitting import CLEAR, clear_examples
from gen.checkpoint import fingerprint
from gen.networks import Generator
from inversion.latent_region import LatentRegion, sample_latents

LEAST_EFFECT: Final = {"smile": 0.03, "age": 1.0}
"""Change of an attribute, in its own units, for one standard deviation, below which its direction is flagged."""

_LEAST_EXAMPLES: Final = 10
"""Clear examples of either class from which the accuracy is measured."""

_REGION_LATENTS: Final = 10
"""Latents for each dimension, from which the region of the generator's latents is measured."""


class LatentSpace(StrEnum):
    """Space of a direction: one row for all layers of the generator, or one for each."""

    W = "w"
    W_PLUS = "wplus"


@dataclass(frozen=True)
class PublishedDirection:
    """Direction as a file holds it.

    Attributes:
        path: the file.
        name: of the attribute, as "smile".
        reverse: it grows against the file's direction.
    """

    path: Path
    name: str
    reverse: bool = False


@dataclass(frozen=True)
class ImportOptions:
    """How directions are imported.

    Attributes:
        space: that all of them lie in.
        tried: number of the generator's people that each is tried on.
        seed: of these people.
        licence: of the directions.
        origin: where they come from; None names the files and their sha256.
    """

    space: LatentSpace
    licence: str
    tried: int = 100
    seed: int = 801
    origin: str | None = None


def read_direction(path: Path, space: LatentSpace, num_ws: int, w_dim: int) -> Tensor:
    """Read a direction (w_dim,) in W, or (num_ws, w_dim) in W+, with the longest row of unit length.

    Args:
        path: of a NumPy array (.npy) or a PyTorch tensor (.pt).
        num_ws, w_dim: layers and latent size of the generator that it is for.

    Raises:
        CheckpointError: no such file, one that is neither, or one that asks for code.
        DirectionError: another shape than the space and the generator ask for, or values that are no direction.
    """
    values = _read_array(path)
    if values.size in (w_dim, num_ws * w_dim):
        rows = values.reshape(-1, w_dim)
    else:
        raise DirectionError(
            f"{path} is {tuple(values.shape)}; the generator's latents have {w_dim} numbers (W), or {num_ws} rows of "
            f"{w_dim} (W+): take the direction of this generator, or name its own generator with --generator"
        )
    if not np.isfinite(rows).all() or not rows.any():
        raise DirectionError(f"{path} holds zeros alone, or values that are not finite; download it again")
    alike = len(rows) > 1 and np.allclose(rows, rows[:1], atol=1e-6 * np.abs(rows).max())
    if space is LatentSpace.W and len(rows) > 1 and not alike:
        raise DirectionError(
            f"{path} has {len(rows)} rows that differ, one for each layer, as W+ has: say --space {LatentSpace.W_PLUS}"
        )
    if space is LatentSpace.W_PLUS and len(rows) != num_ws:
        raise DirectionError(
            f"{path} has one row for all layers: it lies in W, as most published ones: say --space {LatentSpace.W}"
        )
    longest = np.linalg.norm(rows, axis=1).max()
    unit = torch.from_numpy(rows / longest).float()
    return unit[0] if space is LatentSpace.W else unit


def import_directions(
    generator: Generator,
    source: Path,
    published: Sequence[PublishedDirection],
    reader: Reader,
    options: ImportOptions,
    progress: Progress = SILENT,
) -> Directions:
    """Read directions for a generator and measure what each does to its faces.

    Args:
        generator: that they are for.
        source: file of the generator, which the directions name as their origin.
        published: one or more, of different names.
        reader: reads the generator's faces.
        options: see ImportOptions.
        progress: shows the number of faces read.

    Raises:
        CheckpointError, DirectionError: as `read_direction`; or two directions of one name.
    """
    names = [one.name for one in published]
    if len(set(names)) != len(names) or not all(names):
        raise DirectionError(f"the names are {', '.join(names)}; expected a different one for each file")
    config = generator.config
    read = [read_direction(one.path, options.space, config.num_ws, config.w_dim) for one in published]
    vectors = [-vector if one.reverse else vector for one, vector in zip(published, read, strict=True)]
    latents = sample_latents(generator, max(10_000, _REGION_LATENTS * config.w_dim), options.seed)[0]
    people = sample_latents(generator, options.tried, options.seed + 1)[0]
    directions, table = {}, []
    with stepping_bar(progress, "faces moved and read", options.tried * (1 + 2 * len(vectors))) as step:
        before = read_latents(generator, people, reader, step)
        apart = measure_person_distance(before.identity)
        for one, vector in zip(published, vectors, strict=True):
            origin = {"file": one.path.name, "sha256": tensor_files.sha256(one.path), "space": str(options.space)}
            bare = _make_direction(one.name, vector, latents, origin | {"generator": source.name})
            effects = measure_effects(generator, people, bare, reader, apart, step)
            if effects.slopes and np.isfinite(effects.identity):
                table.append(effects)
            flagged = replace(bare, flags=(*bare.flags, *_list_flags(bare, effects)))
            directions[one.name] = _measure_accuracy(flagged, people, before)
    described = options.origin or "; ".join(f"{one.path.name} for {source.name}" for one in published)
    return Directions(
        fingerprint(generator),
        directions,
        LatentRegion.of(latents),
        apart,
        table=tuple(table),
        origin=described,
        licence=options.licence,
    )


def _read_array(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; check the path") from None
    try:
        content = (
            read_array(path.read_bytes())
            if head.startswith(b"\x93NUMPY")
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (pickle.UnpicklingError, EOFError, ValueError, RuntimeError, OSError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} is no array of NumPy (.npy) and no tensor of PyTorch (.pt) ({reason:.200}); download it again"
        ) from None
    values = content.detach().numpy() if isinstance(content, Tensor) else content
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise CheckpointError(f"{path} holds a {type(content).__name__}; expected one array or tensor of numbers")
    return np.asarray(values, dtype=np.float64)


def _make_direction(name: str, vector: Tensor, latents: Tensor, origin: dict[str, Any]) -> Direction:
    """Make a direction whose spread is that of latents (n, d) along it, the mean over its rows."""
    rows = vector.reshape(-1, vector.shape[-1])
    mean = rows.mean(dim=0)
    along = latents.double() @ rows.double().T
    return Direction(
        mean / mean.norm(),
        name,
        offset=float((latents @ (mean / mean.norm())).mean()),
        accuracy=None,
        interval=None,
        positive=0,
        negative=0,
        spread=float(along.std(dim=0).mean()),
        origin=origin,
        pattern=vector if vector.ndim == 2 else None,
    )


def _list_flags(direction: Direction, effects: DirectionEffects) -> list[str]:
    """List what speaks against a direction, from what it does."""
    if not effects.slopes or not np.isfinite(effects.identity):
        return ["its effects are not measured: no face is found on what the generator makes"]
    slope, least = effects.slopes.get(direction.attribute), LEAST_EFFECT.get(direction.attribute)
    if slope is None or least is None:
        return []
    if abs(slope) < least:
        return [
            f"one standard deviation changes the {direction.attribute} by {slope:+.3f} only: it may belong to another "
            "generator or space"
        ]
    return [f"it lowers the {direction.attribute}: import it with --reverse {direction.name}"] if slope < 0 else []


def _measure_accuracy(direction: Direction, people: Tensor, read: FaceReading) -> Direction:
    """Measure how well a direction tells apart the people (n, d) that were read, if there are enough clear examples."""
    if direction.attribute not in CLEAR or direction.attribute not in read.attributes:
        return direction
    clear, has = clear_examples(read.attributes[direction.attribute], direction.attribute)
    if min(has.sum(), (~has).sum()) < _LEAST_EXAMPLES:
        return direction
    measured = remeasure(direction, flatten_latents(people)[clear], has)
    return replace(measured, spread=direction.spread)
