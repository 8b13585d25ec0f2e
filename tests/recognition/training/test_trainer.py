"""Training: what a run leaves, how it ends, and that an interrupted one ends alike."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import tensor_files
from core.errors import CheckpointError, ConfigError, DatasetError, TrainingError
from faces.images import read_image
from recognition.classifier import Classifier
from recognition.config import ClassifierTrainingConfig
from recognition.images.leakage import TrainingRecord
from recognition.training import trainer
from recognition.training.curves import draw_curves
from recognition.training.optimizer import learning_rate_at
from recognition.training.trainer import EpochReport, TrainingResult, train
from tests.recognition.coloured import CLASSES, QUICK, squares

TRAIN, VALIDATION, FEW = squares(48, seed=1), squares(24, seed=2), squares(16, seed=4)
EXTRA = squares(24, seed=3, synthetic=True, blend=0.75)


def run(out: Path, config: ClassifierTrainingConfig = QUICK, **more: Any) -> TrainingResult:
    return train(config, TRAIN, EXTRA, VALIDATION, out, **more)


def weights_of(out: Path) -> dict[str, torch.Tensor]:
    return tensor_files.read(out / "classifier.safetensors")[0]


def lines(out: Path) -> list[dict[str, Any]]:
    """Of the metrics, without what no two runs share."""
    return [
        {name: value for name, value in json.loads(line).items() if name != "seconds"}
        for line in (out / "metrics.jsonl").read_text().splitlines()
    ]


def assert_alike(one: Path, other: Path) -> None:
    ours, theirs = weights_of(one), weights_of(other)
    assert all(ours[name].equal(theirs[name]) for name in theirs)
    assert lines(one) == lines(other)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("done")
    assert run(out).finished
    return out


def stopping_after(batches: int) -> Callable[[], bool]:
    left: Iterator[int] = iter(range(batches))
    return lambda: next(left, None) is None


def test_a_classifier_learns_and_leaves_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "draw_curves", draw_curves)
    reports: list[EpochReport] = []
    result = train(replace(QUICK, epochs=6), TRAIN, None, VALIDATION, tmp_path, on_epoch=reports.append)
    assert result.finished
    assert result.validation is not None
    assert result.validation.accuracy > 0.7
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5, 6]
    assert result.best_epoch == max(report.epoch for report in reports if report.best)
    assert result.validation.loss == min(report.validation_loss for report in reports)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock", "classifier.safetensors", "config.json", "curves.png", "metrics.jsonl", "state.safetensors",
    }  # fmt: skip
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["config"] == replace(QUICK, epochs=6).to_json()
    assert config["images"] == {"train_real": 48, "train_synthetic": 0, "validation": 24}
    assert (tmp_path / "state.safetensors").stat().st_size < 10_000
    assert read_image(tmp_path / "curves.png").std() > 10


@pytest.mark.parametrize("batches", [0, 4, 9])
def test_interrupted_equals_uninterrupted(batches: int, done: Path, tmp_path: Path) -> None:
    """Nine batches an epoch: before the first, within, and at the end of one; the test of killed runs stops later."""
    result = run(tmp_path, stop=stopping_after(batches))
    assert not result.finished
    assert not run(tmp_path, stop=stopping_after(2)).finished
    assert run(tmp_path).finished
    assert_alike(tmp_path, done)


@pytest.mark.parametrize("changes", [{"optimizer": "sgd", "learning_rate": 0.01}, {"sampling": "balanced"}])
def test_a_classifier_learns_with_other_optimizers_and_samplings(changes: dict[str, Any], tmp_path: Path) -> None:
    config = replace(QUICK, epochs=2, dropout=0.5, **changes)
    run(tmp_path / "a", config)
    run(tmp_path / "b", config, stop=stopping_after(11), snapshot_s=0.0)
    run(tmp_path / "b", config)
    assert lines(tmp_path / "a") == lines(tmp_path / "b")


def test_killed_after_a_line_but_before_its_state(done: Path, tmp_path: Path) -> None:
    run(tmp_path, stop=stopping_after(12))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"epoch": 2}) + '\n{"epo')
    (tmp_path / ".state.safetensors.abc").write_bytes(b"half")
    run(tmp_path)
    assert_alike(tmp_path, done)
    assert not (tmp_path / ".state.safetensors.abc").exists()


def test_a_finished_run_is_not_trained_again(done: Path) -> None:
    reports: list[EpochReport] = []
    before = (done / "classifier.safetensors").stat().st_mtime_ns
    result = run(done, on_epoch=reports.append)
    assert result.finished
    assert result.epochs == 3
    assert not reports
    assert (done / "classifier.safetensors").stat().st_mtime_ns == before


def test_the_seed_changes_the_classifier(done: Path, tmp_path: Path) -> None:
    run(tmp_path, replace(QUICK, seed=1))
    assert lines(tmp_path) != lines(done)


def test_the_global_stream_is_left_alone(tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    run(tmp_path, replace(QUICK, epochs=1, dropout=0.5))
    assert torch.random.get_rng_state().equal(before)


def test_another_run_is_not_gone_on_with(done: Path) -> None:
    with pytest.raises(ConfigError, match=r"batch\b.*\b8\b.*\b16\b"):
        run(done, replace(QUICK, batch=16))
    with pytest.raises(ConfigError, match="train_digest"):
        train(QUICK, TRAIN, None, VALIDATION, done)


def test_training_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([1.0, 0.8, 0.9, 0.8, 0.85, 0.1])
    figures = lambda run: trainer.ValidationFigures(next(losses), 0.5, 0.5)  # noqa: E731
    monkeypatch.setattr(trainer.TrainingRun, "measure", figures)
    result = train(replace(QUICK, epochs=9, patience=2), FEW, None, VALIDATION, tmp_path)
    assert (result.epochs, result.best_epoch) == (5, 2)


@pytest.mark.parametrize(("select", "best"), [("loss", 2), ("accuracy", 3), ("balanced_accuracy", 1)])
def test_which_epoch_is_the_best(select: str, best: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter(
        [
            trainer.ValidationFigures(0.9, 0.5, 0.7),
            trainer.ValidationFigures(0.5, 0.5, 0.6),
            trainer.ValidationFigures(0.7, 0.6, 0.7),
        ]
    )
    monkeypatch.setattr(trainer.TrainingRun, "measure", lambda run: next(figures))
    result = train(replace(QUICK, select=select), FEW, None, VALIDATION, tmp_path)
    assert result.best_epoch == best


def test_a_classifier_says_what_it_saw(done: Path) -> None:
    classifier = Classifier.open(done / "classifier.safetensors")
    every = [*TRAIN.samples, *EXTRA.samples, *VALIDATION.samples]
    assert classifier.seen.keys == {sample.key[:16] for sample in every}
    assert classifier.classes == CLASSES
    assert classifier.config == QUICK
    assert classifier.about["epoch"] == len(lines(done))


def test_a_classifier_says_what_its_generators_saw(tmp_path: Path) -> None:
    extra = replace(EXTRA, seen=TrainingRecord("generator x", frozenset({"0123456789abcdef"})))
    train(replace(QUICK, epochs=1), TRAIN, extra, VALIDATION, tmp_path)
    seen = Classifier.open(tmp_path / "classifier.safetensors").seen
    assert [part.name for part in seen.parts] == ["classifier", "generator x"]
    assert "0123456789abcdef" in seen.keys


def test_a_classifier_does_not_depend_on_the_batch(done: Path) -> None:
    classifier = Classifier.open(done / "classifier.safetensors")
    together = classifier.predict_probabilities(VALIDATION)
    alone = np.concatenate([classifier.predict_probabilities(VALIDATION.subset([index])) for index in range(4)])
    np.testing.assert_allclose(alone, together[:4], atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), 1)


def test_damaged_classifiers_are_refused(done: Path, tmp_path: Path) -> None:
    tensors, header = tensor_files.read(done / "classifier.safetensors")
    file = tmp_path / "classifier.safetensors"
    tensor_files.write(file, {}, header)
    with pytest.raises(CheckpointError, match=r"classifier.safetensors"):
        Classifier.open(file)
    tensor_files.write(file, tensors, {"kind": "oracle"})
    with pytest.raises(CheckpointError, match=r"classifier.safetensors"):
        Classifier.open(file)
    tensor_files.write(file, tensors, {**header, "config": {**header["config"], "warp": 1}})
    with pytest.raises(ConfigError, match="warp"):
        Classifier.open(file)


def test_persons_and_pictures_on_both_sides(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"\b8\b"):
        train(QUICK, TRAIN, None, TRAIN.subset(range(8)), tmp_path)
    renamed = replace(TRAIN, samples=tuple(replace(one, person=f"other {one.person}") for one in TRAIN.samples))
    with pytest.raises(DatasetError, match=r"\b8\b"):
        train(QUICK, TRAIN, None, renamed.subset(range(8)), tmp_path)


def test_a_class_without_faces(tmp_path: Path) -> None:
    few = TRAIN.subset(index for index, one in enumerate(TRAIN.samples) if one.condition != "other")
    with pytest.raises(DatasetError, match="other"):
        train(QUICK, few, None, VALIDATION, tmp_path)


def test_a_loss_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"\b(nan|inf)\b"):
        train(replace(QUICK, optimizer="sgd", learning_rate=1e30, warmup_epochs=0), TRAIN, None, VALIDATION, tmp_path)


def test_one_process_a_folder(tmp_path: Path) -> None:
    def again() -> bool:
        with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
            run(tmp_path)
        return True

    assert not run(tmp_path, stop=again).finished


def test_training_in_bfloat16_learns(tmp_path: Path) -> None:
    result = run(tmp_path, replace(QUICK, epochs=2, precision="bfloat16"))
    assert result.validation is not None
    assert result.validation.loss < 1.6
    classifier = Classifier.open(tmp_path / "classifier.safetensors")
    assert classifier.precision == classifier.config.precision == "bfloat16"
    assert {parameter.dtype for parameter in classifier.network.parameters()} == {torch.float32}


def test_learning_rates_follow_the_schedule() -> None:
    cosine = ClassifierTrainingConfig(epochs=10, warmup_epochs=2, learning_rate=1.0, warmup_from=0.1)
    assert [round(learning_rate_at(cosine, at), 3) for at in (0, 1, 2, 6, 10)] == [0.1, 0.55, 1, 0.5, 0]
    restarts = replace(cosine, schedule="cosine-restarts", warmup_epochs=0, restart_epochs=4)
    assert [round(learning_rate_at(restarts, at), 3) for at in (0, 2, 4, 6, 8)] == [1, 0.5, 1, 0.5, 1]
    assert learning_rate_at(replace(restarts, schedule="constant"), 7) == 1


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"network": "vgg"}, "vgg"),
        ({"size": 16}, "16"),
        ({"batch": 1}, "batch"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"dropout": 1.0}, "dropout"),
        ({"class_weights": "equal"}, "equal"),
        ({"class_weights": {"WS": -1}}, "-1"),
        ({"pretraining": "vggface2"}, "vggface2"),
    ],
)
def test_configurations_that_make_no_sense(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        ClassifierTrainingConfig(**changes)


def test_configurations_survive_their_json() -> None:
    config = ClassifierTrainingConfig(class_weights={"WS": 10.0})
    assert ClassifierTrainingConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
