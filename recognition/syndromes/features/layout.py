"""Layout of a row of features: the names of its blocks, and the columns of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.errors import CheckpointError, ConfigError

DESCRIPTOR: Final = "descriptor"
LANDMARKS: Final = "landmarks"
POINTS: Final = "points"
APPEARANCE: Final = "appearance"
DISTANCES: Final = "distances2d"
TERMS: Final = "terms"

_REMEDIES: Final = {
    POINTS: "extract the features with 3D heads, or with flat=True",
    TERMS: "give the HPO terms of the persons in the column `present` of the table",
}


@dataclass(frozen=True)
class Layout:
    """Blocks of a row of features, in their order.

    Attributes:
        blocks: name and number of columns of each block.
        terms: ids of the HPO terms in the columns of the block "terms".
    """

    blocks: tuple[tuple[str, int], ...]
    terms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _ in self.blocks]
        if len(set(names)) != len(names) or any(width < 1 for _, width in self.blocks):
            raise ConfigError(f"blocks are {self.blocks}; expected each name once, and one column or more in each")
        if len(self.terms) != dict(self.blocks).get(TERMS, 0):
            raise ConfigError(f"{len(self.terms)} terms; expected one for each column of the block {TERMS!r}")

    @property
    def width(self) -> int:
        """Number of columns of all blocks."""
        return sum(width for _, width in self.blocks)

    def __contains__(self, name: object) -> bool:
        return any(name == block for block, _ in self.blocks)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.blocks)

    def __getitem__(self, name: str) -> slice:
        """Return the columns of a block.

        Raises:
            ConfigError: there is no such block.
        """
        start = 0
        for block, width in self.blocks:
            if block == name:
                return slice(start, start + width)
            start += width
        raise ConfigError(
            f"the features have no block {name!r}, only {', '.join(self)}; "
            f"{_REMEDIES.get(name, 'extract the features again')}"
        )

    def to_json(self) -> dict[str, Any]:
        return {"blocks": [list(block) for block in self.blocks], "terms": list(self.terms)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Layout:
        """Read the value that `to_json` returns.

        Raises:
            CheckpointError: something else.
        """
        try:
            return cls(tuple((str(name), int(width)) for name, width in value["blocks"]), tuple(value["terms"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{value!r:.200} is no layout of features ({error}); train the model again") from None
