"""A plan says what the run will do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from core.hardware import Machine
from gen.labels import Vocabulary
from gen.training import plan as plan_module
from gen.training.data import TrainingData
from gen.training.distributed import Processes
from gen.training.loop import RunSettings
from gen.training.plan import make_plan, propose_smaller_run
from gen.training.presets import Preset, make_preset
from gen.training.run import RunFolder
from gen.training.trainer import CPU
from tests.gen.training.tiny import data, trainer

DATA = TrainingData(data(), Vocabulary(), {"WS": {"child": 20}, "unaffected": {"child": 20}}, "40 squares", left_out=3)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_of_a_new_run(folder: RunFolder) -> None:
    run = trainer(sampling="half_affected")
    made = make_plan(run, DATA, folder, RunSettings(until_images=1001))
    assert made.parameters == {
        "generator": sum(p.numel() for p in run.generator.parameters()),
        "discriminator": sum(p.numel() for p in run.discriminator.parameters()),
    }
    assert (made.stands_at, made.changes, made.measured) == (None, {}, False)
    assert made.steps == 126  # the last one goes past the 1001st image
    assert [(pool.name, pool.share) for pool in made.pools] == [("affected", 0.5), ("unaffected", 0.5)]
    assert (made.data, made.left_out) == (DATA.counts, 3)
    assert made.data_bytes == 40 * 3 * 16 * 16
    assert made.threads == torch.get_num_threads()
    assert not folder.path.exists()


def test_of_a_run_that_goes_on(folder: RunFolder) -> None:
    run = trainer()
    run.step()
    folder.save(run, DATA, origin="test", licence="CC0-1.0", keep=False)
    folder.log.write_text('{"seconds_per_kimg": 3}\n{"seconds_per_kimg": 4.5}\n')
    made = make_plan(trainer(r1_gamma=3), DATA, folder, RunSettings(until_images=24))
    assert (made.stands_at, made.steps, made.seconds_per_kimg) == (8, 2, 4.5)
    assert made.changes == {"training.r1_gamma": (0.05, 3)}
    assert make_plan(trainer(), DATA, folder, RunSettings(until_images=8)).steps == 0
    folder.log.write_text('{"seconds_per_kimg": 4.5}\n{"seco')
    assert not make_plan(trainer(), DATA, folder, RunSettings(until_images=8)).measured


def test_memory_grows_with_the_batch_and_is_shared_by_processes(folder: RunFolder) -> None:
    def needed(batch: int) -> int:
        return make_plan(trainer(batch=batch), DATA, folder, RunSettings(until_images=8)).training_bytes

    assert needed(16) - needed(8) == needed(24) - needed(16) > 0


def test_a_slow_machine_needs_days_and_a_smaller_run_fits(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run, images = trainer(), 200_000
    slow = make_plan(run, DATA, folder, RunSettings(until_images=images))
    assert slow.left_s is not None
    assert not slow.takes_too_long
    chosen = make_preset("gpu", 128)
    speed = _speed_that_takes(chosen, images, monkeypatch) / (2 * 86_400)
    monkeypatch.setattr(plan_module, "multiplications_per_second", lambda threads, bfloat16: speed)
    assert plan_module.estimate_pace(chosen, CPU) == pytest.approx(2 * 86_400 / images * 1000)
    proposal = propose_smaller_run("gpu", _Run(chosen), images, slow.machine)  # type: ignore[arg-type]
    assert proposal is not None
    assert (proposal.preset, proposal.size) == ("cpu", 128)
    assert proposal.seconds is not None
    assert proposal.seconds < 86_400


def test_what_needs_more_memory_than_is_free_does_not_fit(folder: RunFolder) -> None:
    made = make_plan(trainer(), DATA, folder, RunSettings(until_images=8))
    free = Machine("CPU", 2, made.training_bytes * 2)
    assert not replace(made, machine=free).takes_too_much_memory
    assert replace(made, machine=replace(free, free_bytes=made.training_bytes)).takes_too_much_memory
    assert not replace(made, machine=replace(free, free_bytes=None)).takes_too_much_memory
    tiny = replace(free, free_bytes=1000)
    assert propose_smaller_run("gpu", _Run(make_preset("gpu", 64)), 8, tiny) is None  # type: ignore[arg-type]


def _speed_that_takes(preset: Preset, images: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Multiplications in a second that show so many images in a second of training."""
    monkeypatch.setattr(plan_module, "multiplications_per_second", lambda threads, bfloat16: 1.0)
    pace = plan_module.estimate_pace(preset, CPU)
    assert pace is not None
    return pace * images / 1000


class _Run:
    """The part of a trainer that a proposal looks at, without networks of this size."""

    def __init__(self, preset: Preset) -> None:
        self.generator = SimpleNamespace(config=preset.generator)
        self.config = replace(preset.training, precision="float32")
        self.processes = Processes()
        self.device = CPU
