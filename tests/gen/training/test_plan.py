"""A plan says what the run will do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gen.labels import Vocabulary
from gen.training.data import TrainingData
from gen.training.loop import RunSettings
from gen.training.plan import plan
from gen.training.run import RunFolder
from tests.gen.training.tiny import data, trainer

DATA = TrainingData(data(), Vocabulary(), {"WS": {"child": 20}, "unaffected": {"child": 20}}, "40 squares", left_out=3)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


def test_of_a_new_run(folder: RunFolder) -> None:
    run = trainer(sampling="half_affected")
    made = plan(run, DATA, folder, RunSettings(until_images=1001))
    assert made.parameters == {
        "generator": sum(p.numel() for p in run.generator.parameters()),
        "discriminator": sum(p.numel() for p in run.discriminator.parameters()),
    }
    assert (made.stands_at, made.changes, made.seconds_per_kimg) == (None, {}, None)
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
    made = plan(trainer(r1_gamma=3), DATA, folder, RunSettings(until_images=24))
    assert (made.stands_at, made.steps, made.seconds_per_kimg) == (8, 2, 4.5)
    assert made.changes == {"training.r1_gamma": (0.05, 3)}
    assert plan(trainer(), DATA, folder, RunSettings(until_images=8)).steps == 0
    folder.log.write_text('{"seconds_per_kimg": 4.5}\n{"seco')
    assert plan(trainer(), DATA, folder, RunSettings(until_images=8)).seconds_per_kimg is None


def test_memory_grows_with_the_batch_and_is_shared_by_processes(folder: RunFolder) -> None:
    def needed(batch: int) -> int:
        return plan(trainer(batch=batch), DATA, folder, RunSettings(until_images=8)).training_bytes

    assert needed(16) - needed(8) == needed(24) - needed(16) > 0
