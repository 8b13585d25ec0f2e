"""Screen of `gestaltgen train`: the plan, the reports and the texts of their lines."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import torch
from rich.console import Console
from rich.table import Table

from core.hardware import Machine
from core.heartbeat import Heartbeat
from gen.training.batches import Pool
from gen.training.loop import SLOW_SNAPSHOT_MINUTES, FirstStep, RunSettings
from gen.training.plan import LONG_RUN_S, TrainingPlan
from gen.training.run import PreparedRun, RunFolder
from gen.training.telemetry import Progress
from gen.training.trainer import StepReport, Trainer
from gen.training.warm_start import WarmStartReport

_ORIGIN_LENGTH: Final = 160
"""Characters of an origin that the plan shows; fine-tuning a fine-tuned generator makes it longer each time."""


class TrainingScreen:
    """Output of `gestaltgen train`: the plan, a line for every report, and a line after every long silence.

    Args:
        console: where everything is printed.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.heartbeat = Heartbeat(self.say)

    def say(self, text: str) -> None:
        """Print one line of text."""
        self.console.print(text, markup=False)
        self.heartbeat.note_line()

    def show_plan(self, run: PreparedRun) -> None:
        """Print everything that a run will do, and a warning if the machine is too small for it."""
        plan, trainer = run.plan, run.trainer
        self.console.print(_counts_table(plan.data))
        side = trainer.generator.config.resolution
        rows = {
            "images": f"{sum(map(len, (p.members for p in plan.pools)))} of {side} px"
            + (f", {plan.left_out} left out by --exclude" if plan.left_out else ""),
            "shown": "; ".join(_pool_text(pool) for pool in plan.pools),
            "preset": _preset_text(run),
            "networks": ", ".join(f"{name} {count:,} parameters" for name, count in plan.parameters.items()),
            "begins": shorten(run.origin),
            "recipe": ", ".join(
                f"{name} {_value_text(value)}" for name, value in asdict(trainer.config).items() if name != "sampling"
            ),
            "runs on": _device_text(trainer, plan),
            "machine": machine_text(plan.machine),
            "memory": f"data {bytes_text(plan.data_bytes)}, training about {bytes_text(plan.training_bytes)} more",
            "folder": f"{run.folder.path}, a snapshot every {run.options.run.snapshot_images} images"
            + (f" or {run.options.run.snapshot_minutes:g} minutes" if run.options.run.snapshot_minutes else ""),
            "run": _steps_text(plan, run.options.run),
            "takes": _estimate_text(plan),
        }
        table = Table.grid(padding=(0, 2))
        for name, value in rows.items():
            if not value:
                continue
            table.add_row(f"[bold]{name}[/bold]", value)
        self.console.print(table)
        self.heartbeat.note_line()
        for name, (was, now) in plan.changes.items():
            self.say(f"  other than in the run that is there: {name} was {was!r}, is {now!r}")
        if plan.takes_too_long or plan.takes_too_much_memory:
            self.warn(run, plan.left_s)

    def warn(self, run: PreparedRun, left_s: float | None) -> None:
        """Print that the machine is too small for a run, and the command of one that fits."""
        plan = run.plan
        time_text = "" if left_s is None else f"about {duration_text(left_s)} and "
        self.say(
            f"warning: this run takes {time_text}about {bytes_text(plan.training_bytes)} of memory, on "
            f"{machine_text(plan.machine)}"
        )
        if plan.stands_at is not None:  # networks and sizes of a run that has begun are fixed
            return
        proposal = run.propose()
        if proposal is None:
            self.say("  a GPU trains it faster; on this machine, show fewer images with --images")
            return
        takes = "" if proposal.seconds is None else f"about {duration_text(proposal.seconds)}, "
        command = ["gestaltgen", "train", str(run.options.data), "--out", str(run.options.out)]
        command += ["--preset", proposal.preset, "--size", str(proposal.size)]
        command += ["--images", str(run.options.run.until_images)]
        for option, given in (("--exclude", run.options.exclude), ("--sampling", run.options.sampling)):
            command += [option, str(given)] if given else []
        self.say(f"  this fits ({takes}{bytes_text(proposal.training_bytes)}): {shlex.join(command)}")

    def show_warm_start(self, reports: Mapping[str, WarmStartReport]) -> None:
        """Print the origin of every tensor of warm-started networks."""
        for network, report in reports.items():
            counts = {what: getattr(report, what) for what in ("copied", "adapted", "fresh", "unused")}
            self.say(f"{network}: " + ", ".join(f"{len(names)} tensors {what}" for what, names in counts.items()))
            for what in ("adapted", "fresh", "unused"):
                for name in counts[what]:
                    self.say(f"  {what:<8} {name}")

    def show_first_step(self, step: FirstStep, run: PreparedRun) -> None:
        """Print the pace of the first step, and when the run ends at this pace."""
        end = datetime.now() + timedelta(seconds=step.left_s)
        self.say(
            f"first step: {step.seconds_per_kimg:.1f} s per 1,000 images, start-up included; done in about "
            f"{duration_text(step.left_s)}, on {end:%Y-%m-%d at %H:%M}"
        )
        if step.is_slow and run.options.run.snapshot_minutes is None:
            self.say(
                f"steps take {step.seconds:.0f} s: a snapshot is saved every {SLOW_SNAPSHOT_MINUTES:g} minutes, and a "
                "stop in the middle of a step loses what came after the last one"
            )
        if step.left_s > LONG_RUN_S and not run.plan.takes_too_long:
            self.warn(run, step.left_s)

    def show_progress(self, progress: Progress[StepReport]) -> None:
        """Print a report on one line."""
        self.say(progress_line(progress))

    def show_late_stop(self, number: signal.Signals, out: Path) -> None:
        """Print that the process ends in the middle of a step."""
        stands = RunFolder(out).images_seen()
        where = "no snapshot was saved yet" if stands is None else f"the snapshot after {stands} images is intact"
        self.say(f"stopped by {number.name} in the middle of a step; {where}; the same command goes on")


def progress_line(progress: Progress[StepReport]) -> str:
    """Format a report as one line; what is not part of the recipe is left out."""
    r = progress.report
    parts = [
        f"{r.images_seen:>9} images",
        f"{progress.seconds_per_kimg:.1f} s/kimg",
        f"left {timedelta(seconds=round(progress.left_s))}",
        f"G {r.generator_loss:.2f}",
        f"D {r.discriminator_loss:.2f}",
        f"labels {r.classification_real:.2f}/{r.classification_fake:.2f}" if r.classification_real else "",
        f"conditions {r.condition_loss:.2f}" if r.condition_loss else "",
        f"identity {r.identity_error:.2f}/{r.identity_shift:.2f}" if r.identity_error else "",
        f"features {r.feature_loss:.2f}/{r.feature_discriminator_loss:.2f}" if r.feature_discriminator_loss else "",
        f"R1 {r.r1:.3f}" if r.r1 else "",
        f"path {r.path_length:.2f}" if r.path_length else "",
        f"r_t {r.real_sign:+.2f}",
        f"p {r.augment_p:.3f}",
        f"gradients {r.generator_gradient:.2g}/{r.discriminator_gradient:.2g}",
        bytes_text(progress.peak_bytes),
    ]
    return "  ".join(part for part in parts if part)


def _counts_table(data: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(title="images to learn from")
    table.add_column("condition")
    for age in next(iter(data.values())):
        table.add_column(age, justify="right")
    table.add_column("all", justify="right")
    for condition, ages in data.items():
        table.add_row(condition, *map(str, ages.values()), str(sum(ages.values())))
    return table


def _pool_text(pool: Pool) -> str:
    return f"{pool.name} {pool.share:.1%} (of {len(pool.members)})"


def _value_text(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _device_text(trainer: Trainer, plan: TrainingPlan) -> str:
    place = torch.cuda.get_device_name(trainer.device) if trainer.device.type == "cuda" else "CPU"
    count = trainer.processes.count
    shared = f"{count} processes with {trainer.config.batch // count} images of a batch each, " if count > 1 else ""
    return f"{place}, {shared}threads {plan.threads}"


def _steps_text(plan: TrainingPlan, settings: RunSettings) -> str:
    steps = f"{plan.steps} steps to {settings.until_images} images"
    text = f"new, {steps}" if plan.stands_at is None else f"resumes after {plan.stands_at} images, {steps}"
    if plan.left_s is None or plan.left_images == 0 or not plan.measured:
        return text
    return f"{text}, about {timedelta(seconds=round(plan.left_s))} at {plan.seconds_per_kimg:.1f} s/kimg"


def _estimate_text(plan: TrainingPlan) -> str:
    if plan.left_s is None or plan.left_images == 0 or plan.measured:
        return ""
    return f"about {duration_text(plan.left_s)} by the size of the networks; it is measured with the first step"


def _preset_text(run: PreparedRun) -> str:
    asked = run.options.preset
    if run.preset == asked:
        return asked
    reason = "for a CPU; --preset gpu takes full-size networks" if run.preset == "cpu" else ""
    return f"{run.preset}, chosen by {asked} {reason}".rstrip()


def shorten(text: str) -> str:
    """Leave the middle of a long text out."""
    if len(text) <= _ORIGIN_LENGTH:
        return text
    end = _ORIGIN_LENGTH // 3
    return f"{text[: _ORIGIN_LENGTH - end - 3]} … {text[-end:]}"


def machine_text(machine: Machine) -> str:
    """Describe a machine: device, cores and free memory."""
    free = "" if machine.free_bytes is None else f", {bytes_text(machine.free_bytes)} free"
    return f"{machine.device}, {machine.cores} {'core' if machine.cores == 1 else 'cores'}{free}"


def duration_text(seconds: float) -> str:
    """Format a duration as people say it: minutes, hours or days."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def bytes_text(count: int) -> str:
    """Format a number of bytes in GB or MB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
