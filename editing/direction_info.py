"""Information about directions, read from the header of their file without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core import tensor_files
from core.errors import CheckpointError, DirectionError

KIND: Final = "directions"
"""Value of `network` in the header of a file of directions."""

VECTOR: Final = "direction."
"""Beginning of the names of the tensors that hold the directions."""

ALONG: Final = "along."
"""Beginning of the names of the tensors along which latents are moved instead, where there are any."""


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


@dataclass(frozen=True)
class DirectionInfo:
    """Information about one direction; attributes as those of `editing.directions.Direction`.

    Attributes:
        effects: effects of the direction on attributes; None where they were not measured.
    """

    name: str
    accuracy: float | None
    interval: tuple[float, float] | None
    spread: float
    flags: tuple[str, ...]
    effects: DirectionEffects | None


def read_direction_infos(path: Path) -> list[DirectionInfo]:
    """Read the information about the directions of a file, in their order.

    Raises:
        CheckpointError: no such file, a damaged one, or not directions.
    """
    header = tensor_files.read_header(path)
    check_kind(path, header)
    with tensor_files.refuse_malformed_header(path, "a file of directions"):
        effects = {entry["direction"]: DirectionEffects(**entry) for entry in header["table"]}
        return [
            DirectionInfo(
                name,
                entry["accuracy"],
                entry["interval"] and tuple(entry["interval"]),
                entry["spread"],
                tuple(entry["flags"]),
                effects.get(name),
            )
            for name, entry in header["directions"].items()
        ]


def read_direction_vector(path: Path, name: str) -> npt.NDArray[np.float32]:
    """Read the vector along which a direction moves latents by one unit: (d,), or (num_ws, d) for each layer.

    Raises:
        CheckpointError: no such file, a damaged one, or not directions.
        DirectionError: there is no direction of this name.
    """
    tensors, header = tensor_files.read_arrays(path)
    check_kind(path, header)
    if f"{VECTOR}{name}" not in tensors:
        raise DirectionError(f"there is no direction {name!r}; expected one of {', '.join(header['directions'])}")
    vector: npt.NDArray[np.float32] = tensors.get(f"{ALONG}{name}", tensors[f"{VECTOR}{name}"])
    return vector.astype(np.float32)


def check_kind(path: Path, header: Mapping[str, Any]) -> None:
    """Check that a header is that of a file of directions.

    Raises:
        CheckpointError: it is that of another file.
    """
    if header.get("network") != KIND:
        raise CheckpointError(f"{path} holds {header.get('network', 'no network')!s:.100}; expected directions")
