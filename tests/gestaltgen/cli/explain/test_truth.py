from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gestaltgen.cli.main import app
from recognition.classifier import FILE, Classifier, build_network
from recognition.config import ClassifierTrainingConfig
from recognition.explanation import METHODS
from recognition.explanation.truth import measurement, truth_table
from recognition.images.leakage import TrainingRecord
from tests.recognition.explanation.truth.test_truth_report import build_ensemble


def test_the_truth_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth_table, "LEAST_TOTAL", -np.inf)  # an untrained classifier depends on nothing
    monkeypatch.setattr(measurement, "SANITY_FACES", 1)
    for fold, classifier in enumerate(build_ensemble().classifiers):
        classifier.save(tmp_path / "run" / f"fold-{fold}" / FILE)
    command = ["explain", "truth", str(tmp_path / "run"), "--persons", "2", "--out", str(tmp_path / "truth")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "truth" / "truth.json").read_text())
    assert [row["condition"] for row in report["conditions"]] == ["WS", "Kabuki"]
    assert {row["method"] for row in report["methods"]} > set(METHODS)
    assert "diagnosis" in (tmp_path / "truth" / "truth.md").read_text()


def test_a_classifier_of_conditions_without_phantoms_is_refused(tmp_path: Path) -> None:
    config, classes = ClassifierTrainingConfig(size=32), ("apples", "pears")
    classifier = Classifier(build_network(config, 2).eval(), classes, config, TrainingRecord("classifier", frozenset()))
    classifier.save(tmp_path / FILE)
    result = CliRunner().invoke(app, ["explain", "truth", str(tmp_path), "--out", str(tmp_path / "truth")])
    assert result.exit_code == 1
    assert "apples" in result.output
    assert not (tmp_path / "truth").exists()
