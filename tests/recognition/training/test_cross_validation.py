"""Folds, seeds and the ensemble of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import CheckpointError, ConfigError, DatasetError
from recognition.classifier import Classifier
from recognition.ensemble import Ensemble, average_probabilities
from recognition.images.image_stack import Stack
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Samples
from recognition.training.cross_validation import CrossValidation, TrainingProgress, cross_validate
from tests.recognition.coloured import QUICK, squares

REAL, TEST = squares(40, seed=11), squares(16, seed=12)
CONFIG = replace(QUICK, epochs=2)


def of_fold(fold: int) -> Stack:
    """A set of its own for every fold, by a generator of its own."""
    seen = TrainingRecord(f"generator {fold}", frozenset({f"{fold:016x}"}))
    return replace(squares(8, seed=100 + fold, synthetic=True), seen=seen)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    out = tmp_path_factory.mktemp("experiment")
    return cross_validate(CONFIG, REAL, out, count=2, seeds=2, extra=of_fold)


def test_a_run_for_every_fold_and_seed(done: CrossValidation) -> None:
    assert done.finished
    assert [(run.fold, run.seed) for run in done.runs] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert [path.name for path in done.ensembles()] == ["seed-0", "seed-1"]
    config = json.loads((done.out / "seed-1" / "fold-0" / "config.json").read_text())
    assert config["config"]["seed"] == 1
    assert config["about"] == {"fold": 0, "folds": 2, "split_seed": 0}


def test_synthetic_images_stay_in_their_fold(done: CrossValidation) -> None:
    for run in done.runs:
        assert run.result.classifier is not None
        seen = Classifier.open(run.result.classifier).seen
        for fold in (0, 1):
            keys = {sample.key[:16] for sample in of_fold(fold).samples}
            assert (keys <= seen.keys) == (fold == run.fold)
            assert bool(keys & seen.keys) == (fold == run.fold)
        assert {sample.key[:16] for sample in REAL.samples} <= seen.keys


def test_a_cross_validation_goes_on_where_it_was_stopped(done: CrossValidation, tmp_path: Path) -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 9

    assert not cross_validate(CONFIG, REAL, tmp_path, count=2, seeds=2, extra=of_fold, stop=stop).finished
    told: list[TrainingProgress] = []
    again = cross_validate(CONFIG, REAL, tmp_path, count=2, seeds=2, extra=of_fold, on_progress=told.append)
    assert again.finished
    assert {(one.fold, one.seed) for one in told} == {(0, 1), (1, 0), (1, 1)}
    assert told[-1].runs_done == 3
    ours, theirs = (Ensemble.open(out / "seed-1").predict(TEST).probabilities for out in (tmp_path, done.out))
    np.testing.assert_array_equal(ours, theirs)


def test_other_folds_are_refused(done: CrossValidation) -> None:
    with pytest.raises(ConfigError, match="has other folds than these faces give"):
        cross_validate(CONFIG, REAL, done.out, count=2, split_seed=5)


def test_folds_train_on_synthetic_images_alone(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=1)
    done = cross_validate(config, REAL, tmp_path, count=2, extra=of_fold, real_faces=False)
    images = json.loads((tmp_path / "seed-0" / "fold-0" / "config.json").read_text())["images"]
    assert done.finished
    assert images == {"train_real": 0, "train_synthetic": 8, "validation": 20}
    with pytest.raises(ConfigError, match="neither real faces nor others"):
        cross_validate(config, REAL, tmp_path / "none", count=2, extra=lambda fold: None, real_faces=False)


def test_each_seed_is_a_training_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"seeds are \[1, 1\]"):
        cross_validate(CONFIG, REAL, tmp_path, seeds=[1, 1])


def test_an_ensemble_is_the_mean(done: CrossValidation) -> None:
    ensemble = Ensemble.open(done.out / "seed-0")
    assert ensemble.names == ("fold-0", "fold-1")
    predictions = ensemble.predict(TEST)
    each = [classifier.predict_probabilities(TEST) for classifier in ensemble.classifiers]
    np.testing.assert_allclose(predictions.probabilities, np.mean(each, axis=0))
    assert predictions.keys == tuple(sample.key for sample in TEST.samples)
    assert predictions.conditions == tuple(sample.condition for sample in TEST.samples)
    assert not predictions.undecided.any()
    one = Ensemble.open(done.out / "seed-0" / "fold-1" / "classifier.safetensors")
    np.testing.assert_array_equal(one.predict(TEST).probabilities, each[1])


def test_folds_that_are_not_sure_do_not_count() -> None:
    each = np.array([[[0.8, 0.2], [0.45, 0.55], [0.4, 0.6]], [[0.3, 0.7], [0.5, 0.5], [0.5, 0.5]]])
    mean, undecided = average_probabilities(each, 0.6)
    np.testing.assert_allclose(mean, [[0.55, 0.45], [0.475, 0.525], [0.4, 0.6]])
    assert undecided.tolist() == [False, True, False]
    np.testing.assert_allclose(average_probabilities(each, None)[0], each.mean(axis=0))
    with pytest.raises(ConfigError, match="threshold is 2"):
        average_probabilities(each, 2)


@pytest.mark.parametrize("seen", [REAL.subset([3]), of_fold(1).subset([0])])
def test_what_was_seen_is_not_measured(done: CrossValidation, seen: Samples) -> None:
    with pytest.raises(DatasetError, match=r"1 of 1 test images were seen in training: .*classifier fold-1"):
        Ensemble.open(done.out / "seed-0").predict(seen)


def test_nor_what_the_generator_saw(done: CrossValidation) -> None:
    ensemble = Ensemble.open(done.out / "seed-0")
    assert {"generator 0", "generator 1", "classifier fold-0"} <= {
        part.name for part in ensemble.combined_record().parts
    }
    known = replace(TEST, samples=(replace(TEST.samples[0], key=f"{1:016x}" + "0" * 48), *TEST.samples[1:]))
    with pytest.raises(DatasetError, match="1 by generator 1"):
        ensemble.predict(known)


def test_what_an_ensemble_cannot_judge(done: CrossValidation, tmp_path: Path) -> None:
    ensemble = Ensemble.open(done.out / "seed-0")
    with pytest.raises(DatasetError, match="expected WS, 22q11DS, other, unaffected, as the classifier"):
        ensemble.predict(squares(4, classes=("a", "b")))
    with pytest.raises(DatasetError, match="blended label"):
        ensemble.predict(squares(4, blend=0.75))
    with pytest.raises(CheckpointError, match=r"holds no classifier.safetensors"):
        Ensemble.open(tmp_path)
