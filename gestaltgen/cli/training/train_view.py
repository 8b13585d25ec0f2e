"""What `gestaltgen train` shows: the plan before, a line for every report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta

import torch
from rich.console import Console
from rich.table import Table

from gen.training.batches import Pool
from gen.training.loop import RunSettings
from gen.training.plan import TrainingPlan
from gen.training.run import RunFolder
from gen.training.telemetry import Progress
from gen.training.trainer import StepReport, Trainer
from gen.training.warm_start import WarmStartReport


def show_plan(
    console: Console, plan: TrainingPlan, trainer: Trainer, folder: RunFolder, settings: RunSettings, origin: str
) -> None:
    """Everything that a run will do."""
    config, side = trainer.config, trainer.generator.config.resolution
    console.print(_counts(plan.data))
    rows = {
        "images": f"{sum(map(len, (p.members for p in plan.pools)))} of {side} px"
        + (f", {plan.left_out} left out by --exclude" if plan.left_out else ""),
        "shown": "; ".join(_pool(pool) for pool in plan.pools),
        "networks": ", ".join(f"{name} {count:,} parameters" for name, count in plan.parameters.items()),
        "begins": origin,
        "recipe": ", ".join(f"{name} {_told(value)}" for name, value in asdict(config).items() if name != "sampling"),
        "runs on": _where(trainer, plan),
        "memory": f"data {_bytes(plan.data_bytes)}, training about {_bytes(plan.training_bytes)} more",
        "folder": f"{folder.path}, a snapshot every {settings.snapshot_images} images"
        + (f" or {settings.snapshot_minutes:g} minutes" if settings.snapshot_minutes else ""),
        "run": _run(plan, settings),
    }
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(f"[bold]{name}[/bold]", value)
    console.print(table)
    for name, (was, now) in plan.changes.items():
        console.print(f"  other than in the run that is there: {name} was {was!r}, is {now!r}")


def show_warm_start(console: Console, reports: Mapping[str, WarmStartReport]) -> None:
    """Where the tensors of warm-started networks come from."""
    for network, report in reports.items():
        counts = {what: getattr(report, what) for what in ("copied", "adapted", "fresh", "unused")}
        console.print(f"{network}: " + ", ".join(f"{len(names)} tensors {what}" for what, names in counts.items()))
        for what in ("adapted", "fresh", "unused"):
            for name in counts[what]:
                console.print(f"  {what:<8} {name}")


def progress_line(progress: Progress[StepReport]) -> str:
    """A report on one line; what is not part of the recipe is left out."""
    r = progress.report
    parts = [
        f"{r.images_seen:>9} images",
        f"{progress.seconds_per_kimg:.1f} s/kimg",
        f"left {timedelta(seconds=round(progress.left_s))}",
        f"G {r.generator_loss:.2f}",
        f"D {r.discriminator_loss:.2f}",
        f"labels {r.classification_real:.2f}/{r.classification_fake:.2f}" if r.classification_real else "",
        f"identity {r.identity_error:.2f}/{r.identity_shift:.2f}" if r.identity_error else "",
        f"R1 {r.r1:.3f}" if r.r1 else "",
        f"path {r.path_length:.2f}" if r.path_length else "",
        f"r_t {r.real_sign:+.2f}",
        f"p {r.augment_p:.3f}",
        f"gradients {r.generator_gradient:.2g}/{r.discriminator_gradient:.2g}",
        _bytes(progress.peak_bytes),
    ]
    return "  ".join(part for part in parts if part)


def _counts(data: Mapping[str, Mapping[str, int]]) -> Table:
    table = Table(title="images to learn from")
    table.add_column("condition")
    for age in next(iter(data.values())):
        table.add_column(age, justify="right")
    table.add_column("all", justify="right")
    for condition, ages in data.items():
        table.add_row(condition, *map(str, ages.values()), str(sum(ages.values())))
    return table


def _pool(pool: Pool) -> str:
    return f"{pool.name} {pool.share:.1%} (of {len(pool.members)})"


def _told(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _where(trainer: Trainer, plan: TrainingPlan) -> str:
    place = torch.cuda.get_device_name(trainer.device) if trainer.device.type == "cuda" else "CPU"
    count = trainer.processes.count
    shared = f"{count} processes with {trainer.config.batch // count} images of a batch each, " if count > 1 else ""
    return f"{place}, {shared}threads {plan.threads}"


def _run(plan: TrainingPlan, settings: RunSettings) -> str:
    if plan.stands_at is None:
        return f"new, {plan.steps} steps to {settings.until_images} images"
    left, pace = settings.until_images - plan.stands_at, plan.seconds_per_kimg
    told = f"resumes after {plan.stands_at} images, {plan.steps} steps to {settings.until_images} images"
    if pace is None or left <= 0:
        return told
    return f"{told}, about {timedelta(seconds=round(pace * left / 1000))} at {pace:.1f} s/kimg"


def _bytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
