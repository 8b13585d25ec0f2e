"""Entries: the figures of a run, and the file with the latest, `benchmarks/latest.json`.

All times in it are seconds per image, but per step of the batch for `training-step-128` and per fit for
`direction-fit`. `published_s` and `ratio` are null if nothing published does the same. Peers are other runtimes of the
same network in the same precision: `best_peer` is the fastest of them, and `ratio_to_best_peer` is
`best_peer_s / ours_s`.
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
class BenchmarkEntry:
    """Measurement of one task in one precision and batch size.

    Attributes:
        name: task with its size, such as "generate-256".
        precision: precision of ours; the published way is always float32.
        published_s, ours_s: see the head of this file.
        unit: "image", "step" or "fit": unit of the times.
        published_mb, memory_mb: peak memory of the work in a process of its own, beyond that of the networks; None if
            it was not measured.
        published_share, share_of_limit: share of the arithmetic limit (`benchmarks.harness.limit`) of the precision.
        machine: description of the machine.
        peers_s: times of the peers, by their names; None if there are none.
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
    peers_s: dict[str, float] | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """Name, precision and batch, by which a newer entry replaces an older one."""
        return self.name, self.precision, self.batch

    @property
    def ratio(self) -> float | None:
        """Speed relative to the published way."""
        return None if self.published_s is None else self.published_s / self.ours_s

    @property
    def best_peer(self) -> str | None:
        """Name of the fastest peer."""
        return min(self.peers_s, key=self.peers_s.__getitem__) if self.peers_s else None

    @property
    def best_peer_s(self) -> float | None:
        return min(self.peers_s.values()) if self.peers_s else None

    @property
    def ratio_to_best_peer(self) -> float | None:
        """Speed relative to the fastest peer."""
        return None if self.best_peer_s is None else self.best_peer_s / self.ours_s

    @property
    def images_per_s(self) -> float | None:
        """Images a second of ours; None if no images are made."""
        images = {"image": 1, "step": self.batch}.get(self.unit)
        return None if images is None else images / self.ours_s

    def to_json(self) -> dict[str, Any]:
        kept = {name: value for name, value in asdict(self).items() if value is not None or name == "published_s"}
        return kept | {
            "ratio": self.ratio,
            "best_peer": self.best_peer,
            "best_peer_s": self.best_peer_s,
            "ratio_to_best_peer": self.ratio_to_best_peer,
            "images_per_s": self.images_per_s,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> BenchmarkEntry:
        return cls(**{name: value for name, value in data.items() if name in cls.__dataclass_fields__})


def merge_entries(old: Sequence[BenchmarkEntry], new: Sequence[BenchmarkEntry]) -> list[BenchmarkEntry]:
    """Replace old entries by new ones with the same name, precision and batch, and append the others."""
    latest = {entry.key: entry for entry in [*old, *new]}
    return list(latest.values())


def read_entries(path: Path) -> list[BenchmarkEntry]:
    """Read the entries of a file; none if there is no file."""
    return [BenchmarkEntry.from_json(data) for data in json.loads(path.read_text())] if path.exists() else []


def write_entries(path: Path, entries: Sequence[BenchmarkEntry]) -> None:
    """Write entries; the file appears whole or stays as it was."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(json.dumps([entry.to_json() for entry in entries], indent=1) + "\n")
    aside.replace(path)
