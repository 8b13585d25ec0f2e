"""A run in a folder: what it leaves, how it stops, and what stands after it was stopped badly."""

from __future__ import annotations

import errno
import json
import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core import run_folders, tensor_files
from core.atomic_files import write_file
from core.errors import ConfigError, TrainingError
from core.stop_signals import StopRequest
from faces.images import read_image
from gen import checkpoint
from gen.labels import Vocabulary
from gen.training import run as training_run
from gen.training.data import TrainingData
from gen.training.loop import RunSettings
from gen.training.run import RunFolder, train
from gen.training.telemetry import JsonLines, Progress
from gen.training.trainer import Trainer
from tests.gen.training.tiny import data, states_differ, trainer

DATA = TrainingData(data(), Vocabulary(), {"WS": {"child": 20}, "unaffected": {"child": 20}}, "40 squares")
SETTINGS = RunSettings(until_images=48, snapshot_images=16, report_images=16)


def go(
    folder: RunFolder,
    settings: RunSettings = SETTINGS,
    run: Trainer | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    *,
    change: bool = False,
    stop: StopRequest | None = None,
) -> Trainer:
    """Begin or resume, as the command does."""
    run = run or trainer()
    with folder.lock():
        if folder.images_seen() is not None:
            folder.resume(run, change=change)
        train(
            run,
            DATA,
            folder,
            settings,
            origin="test",
            stop=StopRequest() if stop is None else stop,
            on_progress=on_progress,
        )
    return run


@pytest.fixture(scope="module")
def straight() -> Mapping[str, Tensor]:
    """The state that a run must come to: that of one which was never stopped."""
    run = trainer()
    while run.images_seen < SETTINGS.until_images:
        run.step()
    return run.state_dict()


def logged(folder: RunFolder) -> list[int]:
    return [json.loads(line)["images_seen"] for line in folder.log.read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A folder of a run whose sheets are one pixel: to draw them takes longer than to train."""
    for name in ("progression_sheet", "cells_sheet"):
        monkeypatch.setattr(training_run, name, lambda average, precision: np.zeros((1, 1, 3), np.uint8))
    return RunFolder(tmp_path / "run")


def test_a_run_leaves_networks_state_log_and_sheets(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    seen: list[Progress] = []
    go(folder, replace(SETTINGS, keep_images=32), on_progress=seen.append)
    info = checkpoint.read_info(folder.generator)
    assert (info.images_seen, info.origin, info.training_counts["WS"]["child"]) == (48, "test", 20)
    assert checkpoint.read_info(folder.discriminator).network == "discriminator"
    assert [path.name for path in folder.kept.iterdir()] == ["000000032.safetensors"]
    names = sorted(path.name for path in folder.samples.iterdir())
    assert names[:2] == ["000000016-cells.png", "000000016-progressions.png"]
    assert len(names) == 6
    assert all(read_image(path).std() > 10 for path in folder.samples.iterdir())
    assert logged(folder) == [16, 32, 48]
    line = json.loads(folder.log.read_text().splitlines()[-1])
    for name in ("seconds_per_kimg", "augment_p", "real_sign", "generator_gradient", "peak_bytes", "time"):
        assert name in line
    assert seen[-1].left_s == 0
    assert seen[0].left_s > 0


def test_reports_are_means_of_the_steps_since_the_last(folder: RunFolder) -> None:
    alone = trainer()
    losses = [alone.step().generator_loss for _ in range(4)]
    go(folder, replace(SETTINGS, until_images=32))
    line = json.loads(folder.log.read_text().splitlines()[1])
    assert line["generator_loss"] == pytest.approx((losses[2] + losses[3]) / 2)


def test_a_resumed_run_goes_on_from_its_snapshot_and_logs_nothing_twice(
    folder: RunFolder, straight: Mapping[str, Tensor]
) -> None:
    go(folder, replace(SETTINGS, until_images=32))
    with folder.log.open("a") as log:
        log.write(json.dumps({"images_seen": 40}) + '\n{"images_seen": 4')  # reported, then killed
    left_over = [folder.path / ".state.safetensors.half", folder.samples / ".000000040-cells.png.half"]
    others = [folder.path / ".notes.txt.half", folder.path / "another_run" / ".state.safetensors.half"]
    others[1].parent.mkdir()
    for path in (*left_over, *others):
        path.write_bytes(b"half")
    resumed = go(folder)
    assert logged(folder) == [16, 32, 48]
    assert [path.exists() for path in (*left_over, *others)] == [False, False, True, True]
    assert states_differ(resumed.state_dict(), straight) == []


def test_a_stop_is_granted_after_the_step_with_a_snapshot(folder: RunFolder) -> None:
    stop = StopRequest()
    settings = replace(SETTINGS, until_images=10_000, snapshot_images=10_000)
    with stop.listen():
        run = go(folder, settings, on_progress=lambda _: signal.raise_signal(signal.SIGTERM), stop=stop)
    assert stop.signal == signal.SIGTERM
    assert folder.images_seen() == run.images_seen == 16


def test_snapshots_by_the_clock(folder: RunFolder) -> None:
    go(folder, replace(SETTINGS, until_images=16, snapshot_images=10_000, snapshot_minutes=1e-9))
    assert len(list(folder.samples.glob("*-cells.png"))) == 2


@pytest.mark.parametrize("refused", ["generator", "discriminator", "state", "cells", "log"])
def test_a_full_disk_stops_the_run_with_the_last_snapshot_intact(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch, refused: str, straight: Mapping[str, Tensor]
) -> None:
    """Whichever file it refuses, the same command goes on afterwards as if nothing had been."""
    go(folder, replace(SETTINGS, until_images=16))
    before = folder.state.read_bytes()

    def write(path: Path, data: bytes) -> None:
        if refused in path.name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_file(path, data)

    def log(self: JsonLines, progress: Progress) -> None:
        if refused == "log":
            with folder.log.open("a") as file:
                file.write('{"images_seen": 3')
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensor_files, "write_file", write)
    monkeypatch.setattr(run_folders, "write_file", write)
    monkeypatch.setattr(JsonLines, "write", log)
    # Sheets come after the state, so that the snapshot of their own step is there already.
    stands = 32 if refused == "cells" else 16
    with pytest.raises(TrainingError, match=rf"No space left.*\b{stands}\b"):
        go(folder)
    monkeypatch.undo()
    assert folder.images_seen() == stands
    assert stands == 32 or folder.state.read_bytes() == before
    assert states_differ(go(folder).state_dict(), straight) == []
    assert logged(folder)[-1] == 48
    assert checkpoint.read_info(folder.generator).images_seen == 48


def test_a_disk_that_refuses_from_the_beginning_is_told(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file where the folder should be")
    with pytest.raises(TrainingError, match=re.escape(str(tmp_path / "run"))):
        go(RunFolder(tmp_path / "run"))


@pytest.mark.parametrize(
    ("images", "named"),
    [
        (32, r"discriminator\b.*\b32\b"),
        (24, r"discriminator_loss.*\b32\b"),
    ],
)
def test_a_nan_stops_the_run_with_the_last_snapshot_intact(
    folder: RunFolder, straight: Mapping[str, Tensor], images: int, named: str
) -> None:
    """Found when a snapshot is due, or by the losses of the next step."""
    run = trainer()

    def poison(progress: Progress) -> None:
        if progress.report.images_seen == images:
            with torch.no_grad():
                next(run.discriminator.parameters()).fill_(float("nan"))

    settings = replace(SETTINGS, report_images=8)
    with pytest.raises(TrainingError, match=named):
        go(folder, settings, run=run, on_progress=poison)
    assert folder.images_seen() == checkpoint.read_info(folder.generator).images_seen == 16
    assert states_differ(go(folder, settings).state_dict(), straight) == []
    assert logged(folder) == [8, 16, 24, 32, 40, 48]


def test_two_runs_do_not_share_a_folder(folder: RunFolder) -> None:
    with folder.lock(), pytest.raises(ConfigError, match=re.escape(str(folder.path))), folder.lock():
        pass


def test_other_settings_do_not_overwrite_a_run(folder: RunFolder) -> None:
    go(folder, replace(SETTINGS, until_images=16))
    with pytest.raises(ConfigError, match=r"training\.r1_gamma\b.*0\.05.*\b3\b"):
        go(folder, run=trainer(r1_gamma=3))
    assert go(folder, run=trainer(r1_gamma=3), change=True).images_seen == 48
    with pytest.raises(ConfigError, match=r"training\.batch\b.*\b8\b.*\b4\b"):
        go(folder, run=trainer(batch=4, r1_gamma=3), change=True)


def test_a_state_of_another_version_is_refused(folder: RunFolder) -> None:
    tensor_files.write(folder.state, {}, {"training": {}})
    with pytest.raises(ConfigError, match=re.escape(str(folder.path))):
        folder.images_seen()


@pytest.mark.parametrize("values", [{"until_images": 0}, {"keep_images": -1}, {"snapshot_minutes": 0}])
def test_settings_that_make_no_sense_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        RunSettings(**{"until_images": 1, **values})  # type: ignore[arg-type]
