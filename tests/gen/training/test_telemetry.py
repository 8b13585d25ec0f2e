"""What a run tells of itself: means, pace, a line of JSON, events."""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.errors import ConfigError
from gen.training.telemetry import JsonLines, Meter, Progress, TensorBoard
from gen.training.trainer import StepReport

REPORT = StepReport(
    images_seen=8,
    generator_loss=1.0,
    discriminator_loss=2.0,
    classification_real=0.5,
    classification_fake=0.25,
    identity_error=0.0,
    identity_shift=0.0,
    r1=3.0,
    path_length=0.7,
    real_sign=0.1,
    augment_p=0.2,
    generator_gradient=4.0,
    discriminator_gradient=5.0,
    feature_loss=0.0,
    feature_discriminator_loss=0.0,
    condition_loss=0.0,
)


def progress(images_seen: int = 8, **values: float) -> Progress:
    return Progress(replace(REPORT, images_seen=images_seen, **values), 12.345, 60.0, 1000)


def test_a_report_is_the_mean_of_its_steps_and_what_is_a_state_is_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    meter = Meter(images_seen=1000, until_images=2000)
    steps = [
        replace(REPORT, images_seen=1100, generator_loss=1.0, augment_p=0.1, r1=1.0, path_length=1.0),
        replace(REPORT, images_seen=1200, generator_loss=3.0, augment_p=0.2, r1=2.0, path_length=2.0),
    ]
    for step in steps:
        meter.add(step)
    clock.now += 10
    told = meter.progress(peak_bytes=5)
    assert told.report == replace(steps[1], generator_loss=2.0)
    assert (told.seconds_per_kimg, told.left_s, told.peak_bytes) == pytest.approx((50, 40, 5))
    meter.add(replace(REPORT, images_seen=1250))
    clock.now += 10
    told = meter.progress(peak_bytes=5)
    assert told.report == replace(REPORT, images_seen=1250)
    assert told.seconds_per_kimg == pytest.approx(200)
    assert told.left_s == pytest.approx(750 * 20 / 250)


def test_a_line_is_json_and_what_is_no_number_is_null(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log.jsonl", 0)
    log.write(progress(r1=math.nan, generator_loss=math.inf))
    line = json.loads((tmp_path / "log.jsonl").read_text(), parse_constant=pytest.fail)
    assert (line["r1"], line["generator_loss"], line["discriminator_loss"]) == (None, None, 2.0)
    assert (line["images_seen"], line["seconds_per_kimg"]) == (8, 12.35)
    assert line["time"].endswith("+00:00")


def test_a_log_is_cut_back_to_the_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JsonLines(path, 0)
    for images in (8, 16, 24):
        log.write(progress(images))
    with path.open("a") as file:
        file.write('[]\n{"images_seen": 1')
    JsonLines(path, 16).write(progress(20))
    assert [json.loads(line)["images_seen"] for line in path.read_text().splitlines()] == [8, 16, 20]


def test_tensorboard_gets_every_number_by_images_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a writer that notes its calls, since the package is an extra."""
    calls: list[Any] = []

    class Writer:
        def __init__(self, folder: Path, purge_step: int) -> None:
            calls.append((folder, purge_step))

        def add_scalar(self, name: str, value: float, step: int) -> None:
            calls.append((name, value, step))

        def flush(self) -> None:
            calls.append("flush")

        def close(self) -> None:
            calls.append("close")

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    board = TensorBoard(tmp_path, 8)
    board.write(progress(16, r1=math.nan))
    board.close()
    assert calls[0] == (tmp_path, 9)
    scalars = {name: value for name, value, step in calls[1:-2] if step == 16}
    assert scalars["training/discriminator_loss"] == 2.0
    assert scalars.keys().isdisjoint({"training/time", "training/images_seen", "training/r1"})
    assert calls[-2:] == ["flush", "close"]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="the package tensorboard is not installed"):
        TensorBoard(tmp_path, 0)
