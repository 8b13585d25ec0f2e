"""The figures of a run, and the file of the latest: `benchmarks/latest.json`, a list of entries.

All times in it are seconds per image: but for `training-step-128`, per step of the batch, and `direction-fit`, per fit.
`published_s` and `ratio` are null where nothing published does the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

LATEST: Final = Path(__file__).parents[1] / "latest.json"


@dataclass(frozen=True)
class Entry:
    """One thing measured in one precision and batch size.

    Attributes:
        name: with its size, "generate-256".
        precision: of ours; the published way is always float32.
        published_s, ours_s: see the head of this file.
        unit: "image", "step" or "fit", that the times are of.
        published_mb, memory_mb: most memory that the work took, in a process of its own, beyond that of the networks;
            None where it was not measured.
        published_share, share_of_limit: of the arithmetic limit (`benchmarks.harness.limit`) of the precision.
        machine: that it ran on.
    """

    name: str
    precision: str
    batch: int
    published_s: float | None
    ours_s: float
    unit: str = "image"
    published_mb: float | None = None
    memory_mb: float | None = None
    published_share: float | None = None
    share_of_limit: float | None = None
    machine: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What a newer entry replaces an older one by."""
        return self.name, self.precision, self.batch

    @property
    def ratio(self) -> float | None:
        """How many times faster than the published way."""
        return None if self.published_s is None else self.published_s / self.ours_s

    @property
    def images_per_s(self) -> float | None:
        """Ours; None where no images are made."""
        images = {"image": 1, "step": self.batch}.get(self.unit)
        return None if images is None else images / self.ours_s

    def to_json(self) -> dict[str, Any]:
        kept = {name: value for name, value in asdict(self).items() if value is not None or name == "published_s"}
        return kept | {"ratio": self.ratio, "images_per_s": self.images_per_s}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Entry:
        return cls(**{name: value for name, value in data.items() if name in cls.__dataclass_fields__})


def merge_entries(old: Sequence[Entry], new: Sequence[Entry]) -> list[Entry]:
    """Old entries, each replaced by the new one of its name, precision and batch; then those that are new to it."""
    latest = {entry.key: entry for entry in [*old, *new]}
    return list(latest.values())


def read_entries(path: Path) -> list[Entry]:
    """The entries of a file; none where there is no file."""
    return [Entry.from_json(data) for data in json.loads(path.read_text())] if path.exists() else []


def write_entries(path: Path, entries: Sequence[Entry]) -> None:
    """The file appears whole, or stays what it was."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps([entry.to_json() for entry in entries], indent=1) + "\n")
    aside.replace(path)
