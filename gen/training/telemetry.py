"""Telemetry of a run: a line of JSON for every report, and TensorBoard events on request."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from core.atomic_files import write_file
from core.errors import ConfigError


class StepFigures(Protocol):
    """Figures of one step: a frozen dataclass of numbers."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def images_seen(self) -> int: ...


FiguresT = TypeVar("FiguresT", bound=StepFigures)


@dataclass(frozen=True)
class Progress(Generic[FiguresT]):
    """Periodic report of a run.

    Args:
        report: the mean of the steps since the last one; counts and probabilities are the newest.
        seconds_per_kimg: pace since the last report, everything included.
        left_s: seconds until the run is done, at the pace so far.
        peak_bytes: peak memory, of the GPU if there is one.
    """

    report: FiguresT
    seconds_per_kimg: float
    left_s: float
    peak_bytes: int

    def line(self) -> dict[str, Any]:
        """Format the step as it is logged; values that are not finite become null."""
        values = {
            **asdict(self.report),
            "seconds_per_kimg": round(self.seconds_per_kimg, 2),
            "peak_bytes": self.peak_bytes,
        }
        return {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            **{name: value if math.isfinite(value) else None for name, value in values.items()},
        }


class Sink(Protocol):
    """Destination of reports."""

    def write(self, progress: Progress[Any]) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """File log.jsonl of a run, which is cut back to a snapshot and then appended to.

    Args:
        path: path of the file.
        images_seen: images seen at the snapshot; later lines and an unfinished one are dropped.
    """

    def __init__(self, path: Path, images_seen: int) -> None:
        self._path = path
        if path.exists():
            kept = [line for line in path.read_text().splitlines() if _read_images_seen(line) <= images_seen]
            write_file(path, "".join(f"{line}\n" for line in kept).encode())

    def write(self, progress: Progress[Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(progress.line()) + "\n")

    def close(self) -> None:
        """Do nothing, because nothing is kept open."""


class TensorBoard:
    """Events in a folder, as TensorBoard shows them.

    Args:
        folder: folder of the events.
        images_seen: images seen at the snapshot; later events of a stopped run are hidden.

    Raises:
        ConfigError: the package is not installed.
    """

    def __init__(self, folder: Path, images_seen: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "the package tensorboard is not installed; `pip install tensorboard`, or leave --tensorboard out"
            ) from None
        self._writer: Any = SummaryWriter(folder, purge_step=images_seen + 1)

    def write(self, progress: Progress[Any]) -> None:
        for name, value in progress.line().items():
            if isinstance(value, int | float) and name != "images_seen":
                self._writer.add_scalar(f"training/{name}", value, progress.report.images_seen)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class Meter(Generic[FiguresT]):
    """Means of the steps between two reports, and their pace.

    Args:
        images_seen: images seen at the start.
        until_images: images seen at the end.
    """

    def __init__(self, images_seen: int, until_images: int) -> None:
        self._until = until_images
        self._first = self._last = images_seen
        self._started = self._reported = time.monotonic()
        self._reports: list[FiguresT] = []

    def add(self, report: FiguresT) -> None:
        self._reports.append(report)

    def progress(self, peak_bytes: int) -> Progress[FiguresT]:
        """Summarise the steps that were added since the last call; there must be at least one."""
        newest, now = self._reports[-1], time.monotonic()
        pace = (now - self._reported) / (newest.images_seen - self._last)
        overall = (now - self._started) / (newest.images_seen - self._first)
        report = replace(newest, **_means(self._reports))
        self._reports, self._last, self._reported = [], newest.images_seen, now
        left = max(0, self._until - newest.images_seen)
        return Progress(report, pace * 1000, overall * left, peak_bytes)


_NEWEST = ("images_seen", "augment_p", "path_length", "r1")


def _means(reports: Sequence[StepFigures]) -> Mapping[str, Any]:
    newest, rows = asdict(reports[-1]), [asdict(report) for report in reports]
    return {
        name: value if name in _NEWEST else math.fsum(row[name] for row in rows) / len(rows)
        for name, value in newest.items()
    }


def _read_images_seen(line: str) -> float:
    try:
        return float(json.loads(line)["images_seen"])
    except (ValueError, KeyError, TypeError):
        return math.inf
