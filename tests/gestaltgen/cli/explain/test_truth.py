from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from gestaltgen.cli.main import app
from recognition.classifier import FILE, Classifier, build_network
from recognition.config import ClassifierTrainingConfig
from recognition.images.leakage import TrainingRecord


def test_a_classifier_of_conditions_without_phantoms_is_refused(tmp_path: Path) -> None:
    config, classes = ClassifierTrainingConfig(size=32), ("apples", "pears")
    classifier = Classifier(build_network(config, 2).eval(), classes, config, TrainingRecord("classifier", frozenset()))
    classifier.save(tmp_path / FILE)
    result = CliRunner().invoke(app, ["explain", "truth", str(tmp_path), "--out", str(tmp_path / "truth")])
    assert result.exit_code == 1
    assert "apples" in result.output
    assert not (tmp_path / "truth").exists()
