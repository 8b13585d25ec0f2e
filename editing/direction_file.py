"""File of a generator's directions, with the data that editing along them and judging the edits need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from core import tensor_files
from core.errors import CheckpointError, DirectionError
from editing.direction_info import ALONG, KIND, VECTOR, DirectionEffects, check_kind
from editing.directions import Direction
from gen.checkpoint import fingerprint
from gen.networks import Generator
from inversion.latent_region import LatentRegion

_PATTERN: Final = "pattern."


@dataclass(frozen=True)
class Directions:
    """Directions that were fitted for one generator, with their region, patterns and effects.

    Attributes:
        generator: its fingerprint.
        directions: by name: "smile", "smile of WS", "age".
        region: where its latents lie.
        apart: mean distance between different people, as read where the directions were fitted.
        patterns: (k, d) of attributes, by name (`editing.patterns`), along which an editor holds them.
        table: what each direction does to each attribute.
        origin: of the examples.
        licence: SPDX name.
        figures: what editing along them reaches on held-out faces, by name.
    """

    generator: str
    directions: Mapping[str, Direction]
    region: LatentRegion
    apart: float
    patterns: Mapping[str, Tensor] = field(default_factory=dict)
    table: tuple[DirectionEffects, ...] = ()
    origin: str = ""
    licence: str = "Apache-2.0"
    figures: Mapping[str, Any] = field(default_factory=dict)

    def find(self, name: str, condition: str | None = None) -> Direction:
        """Find the direction of an attribute: that of the condition if there is one, else that of all conditions.

        Raises:
            DirectionError: no such direction.
        """
        for wanted in (f"{name} of {condition}", name):
            if wanted in self.directions:
                return self.directions[wanted]
        raise DirectionError(f"there is no direction {name!r}; expected one of {', '.join(self.directions)}")


def save(path: Path, directions: Directions) -> None:
    """Write directions; the file appears whole or not at all."""
    tensors = {f"{VECTOR}{name}": direction.vector for name, direction in directions.directions.items()}
    for name, direction in directions.directions.items():
        if direction.pattern is not None:
            tensors[f"{ALONG}{name}"] = direction.pattern
    tensors |= {f"{_PATTERN}{name}": pattern for name, pattern in directions.patterns.items()}
    tensors |= {"region.centre": directions.region.centre, "region.whitening": directions.region.whitening.half()}
    header = {
        "network": KIND,
        "generator": directions.generator,
        "directions": {name: _describe_direction(direction) for name, direction in directions.directions.items()},
        "region_limit": directions.region.limit,
        "apart": directions.apart,
        "table": [asdict(moves) for moves in directions.table],
        "origin": directions.origin,
        "licence": directions.licence,
        "figures": dict(directions.figures),
    }
    tensor_files.write(path, {name: tensor.clone() for name, tensor in tensors.items()}, header)


def load(path: Path, generator: Generator | None = None) -> Directions:
    """Load the directions of a file.

    Args:
        generator: the one that they are meant for; None does not look.

    Raises:
        CheckpointError: no such file, a damaged one, not directions, or another generator's.
    """
    tensors, header = tensor_files.read(path)
    check_kind(path, header)
    belongs_to = str(header.get("generator"))
    if generator is not None and belongs_to != (ours := fingerprint(generator)):
        raise CheckpointError(
            f"{path} belongs to the generator {belongs_to[:12]}, this is {ours[:12]}; name that one, or fit "
            "directions for this one: `gestaltgen fit-direction --help`"
        )
    with tensor_files.refuse_malformed_header(path, "a file of directions"):
        found = {
            name: Direction(tensors[f"{VECTOR}{name}"], **_restore_entry(entry), pattern=tensors.get(f"{ALONG}{name}"))
            for name, entry in header["directions"].items()
        }
        patterns = {
            name.removeprefix(_PATTERN): tensor for name, tensor in tensors.items() if name.startswith(_PATTERN)
        }
        region = LatentRegion(tensors["region.centre"], tensors["region.whitening"].float(), header["region_limit"])
        table = tuple(DirectionEffects(**moves) for moves in header["table"])
        return Directions(
            header["generator"],
            found,
            region,
            header["apart"],
            patterns,
            table,
            header["origin"],
            header["licence"],
            header["figures"],
        )


def _describe_direction(direction: Direction) -> dict[str, Any]:
    return {name: value for name, value in vars(direction).items() if name not in ("vector", "pattern")}


def _restore_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
