"""Loop of a training run: steps, reports and snapshots, until it is done or a stop is requested."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import torch

from core.errors import ConfigError
from core.hardware import peak_bytes
from core.run_folders import TrainingFolder
from core.stop_signals import StopRequest
from gen.training.distributed import Processes
from gen.training.telemetry import FiguresT, JsonLines, Meter, Progress, Sink, StepFigures, TensorBoard

SLOW_STEP_S: Final = 10.0
"""Seconds above which a step is so slow that a stop cannot wait for its end (`core.stop_deadline`)."""

SLOW_SNAPSHOT_MINUTES: Final = 15.0
"""Minutes between two snapshots of a run with slow steps, if none are given."""


@dataclass(frozen=True)
class FirstStep:
    """Duration of the first step of a process, including its start-up and all penalties.

    Args:
        seconds: duration of the step.
        seconds_per_kimg: seconds for 1,000 images at this pace.
        left_s: seconds until the run is done at this pace.
        is_slow: whether a stop may lose what was learnt since the last snapshot, so that snapshots are saved at least
            every SLOW_SNAPSHOT_MINUTES.
    """

    seconds: float
    seconds_per_kimg: float
    left_s: float
    is_slow: bool


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run that do not change what is learnt.

    Args:
        until_images: number of real images, in all, after which the run stops.
        snapshot_images: images between two snapshots.
        snapshot_minutes: minutes between two snapshots; whichever comes first. None for no limit.
        keep_images: images between two generators that are kept beside the newest; 0 for none.
        report_images: images between two reports.
        tensorboard: also write events for TensorBoard.
        licence: licence of the weights, to be stored with them.
    """

    until_images: int
    snapshot_images: int = 10_000
    snapshot_minutes: float | None = None
    keep_images: int = 0
    report_images: int = 1_000
    tensorboard: bool = False
    licence: str = "Apache-2.0"

    def __post_init__(self) -> None:
        for name in ("until_images", "snapshot_images", "report_images"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 1 or more")
        if self.keep_images < 0:
            raise ConfigError(f"keep_images is {self.keep_images}; expected 0 or more")
        if self.snapshot_minutes is not None and not self.snapshot_minutes > 0:
            raise ConfigError(f"snapshot_minutes is {self.snapshot_minutes}; expected a positive number, or None")


MadeFiguresT = TypeVar("MadeFiguresT", bound=StepFigures, covariant=True)


class Trainee(Protocol[MadeFiguresT]):
    """A trainer that the loop can drive."""

    processes: Processes
    device: torch.device

    @property
    def images_seen(self) -> int: ...

    def step(self) -> MadeFiguresT: ...


def run_steps(
    trainer: Trainee[FiguresT],
    folder: TrainingFolder,
    settings: RunSettings,
    *,
    save: Callable[[bool], None],
    stop: StopRequest,
    on_progress: Callable[[Progress[FiguresT]], None],
    on_first_step: Callable[[FirstStep], None] = lambda step: None,
    on_activity: Callable[[str], None] = lambda activity: None,
) -> None:
    """Train until `until_images`, or until a stop is requested; then save a snapshot of the last step.

    The trainer must have the state of the run (see `TrainingFolder.resume`). In several processes each calls this
    function, and only the first one writes.

    Args:
        save: writes a snapshot; its argument tells whether to keep the result permanently.
        on_progress: called with every report.
        on_first_step: called after the first step, with its time.
        on_activity: called with a description of each activity as it begins.

    Raises:
        TrainingError: losses or weights are not finite, or the disk cannot be written; the last snapshot is intact.
    """
    first, begun_at = trainer.processes.first, trainer.images_seen
    meter: Meter[FiguresT] = Meter(trainer.images_seen, settings.until_images)
    clock = _Clock(settings.snapshot_minutes)
    with ExitStack() as stack:
        sinks = _sinks(folder, trainer.images_seen, settings, stack) if first else []
        while trainer.images_seen < settings.until_images:
            before = trainer.images_seen
            on_activity(f"training, {before} images shown")
            began = time.monotonic()
            report = trainer.step()
            meter.add(report)
            if before == begun_at:
                step = _measure_step(time.monotonic() - began, before, report.images_seen, settings)
                if step.is_slow and settings.snapshot_minutes is None:
                    clock = _Clock(SLOW_SNAPSHOT_MINUTES)
                if first:
                    on_first_step(step)
            if first and _crosses(before, report.images_seen, settings.report_images):
                progress = meter.progress(peak_bytes(trainer.device))
                with folder.explain_write_errors():
                    for sink in sinks:
                        sink.write(progress)
                on_progress(progress)
            ended = trainer.processes.any(bool(stop), trainer.device) or report.images_seen >= settings.until_images
            due = trainer.processes.any(clock.due(), trainer.device)
            if ended or due or _crosses(before, report.images_seen, settings.snapshot_images):
                if first:
                    on_activity("saving a snapshot")
                    save(_crosses(before, report.images_seen, settings.keep_images))
                clock.restart()
            if ended:
                break
    trainer.processes.wait()


def _measure_step(seconds: float, before: int, after: int, settings: RunSettings) -> FirstStep:
    pace = seconds / (after - before)
    left_s = pace * max(0, settings.until_images - after)
    return FirstStep(seconds, 1000 * pace, left_s, seconds > SLOW_STEP_S)


def _sinks(folder: TrainingFolder, images_seen: int, settings: RunSettings, stack: ExitStack) -> list[Sink]:
    with folder.explain_write_errors():
        sinks: list[Sink] = [JsonLines(folder.log, images_seen)]
        if settings.tensorboard:
            sinks.append(TensorBoard(folder.path / "tensorboard", images_seen))
    for sink in sinks:
        stack.callback(sink.close)
    return sinks


class _Clock:
    """Clock that tells when the next snapshot is due."""

    def __init__(self, minutes: float | None) -> None:
        self._seconds = None if minutes is None else minutes * 60
        self.restart()

    def due(self) -> bool:
        return self._seconds is not None and time.monotonic() - self._since >= self._seconds

    def restart(self) -> None:
        self._since = time.monotonic()


def _crosses(before: int, after: int, interval: int) -> bool:
    return interval > 0 and before // interval != after // interval
