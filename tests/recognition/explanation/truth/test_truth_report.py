from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError
from faces.images import read_image
from recognition.classifier import Classifier, build_network
from recognition.config import ClassifierTrainingConfig
from recognition.ensemble import Ensemble
from recognition.explanation.truth import measurement, truth_table
from recognition.explanation.truth.measurement import TruthMeasurement
from recognition.explanation.truth.truth_report import draw_persons, report_truth
from recognition.images.leakage import TrainingRecord

CLASSES = ("WS", "Kabuki", "unaffected")


def build_ensemble(folds: int = 2) -> Ensemble:
    configs = [ClassifierTrainingConfig(size=32, seed=seed) for seed in range(folds)]
    seen = TrainingRecord("classifier", frozenset())
    return Ensemble(
        tuple(Classifier(build_network(one, len(CLASSES)).eval(), CLASSES, one, seen) for one in configs),
        tuple(f"fold-{fold}" for fold in range(folds)),
    )


def test_a_report_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth_table, "LEAST_TOTAL", -np.inf)  # untrained classifiers depend on nothing
    monkeypatch.setattr(measurement, "SANITY_FACES", 1)
    done: list[None] = []

    def report(persons: int = 2) -> str:
        return report_truth(
            build_ensemble(), tmp_path, persons=persons, seed=1, from_terms=False, on_face=lambda: done.append(None)
        )

    tables = report()
    assert "| occlusion |" in tables
    assert len(done) == 4
    first = TruthMeasurement.load(tmp_path / "measured" / "fold-0.npz")
    assert np.isfinite(first.relevance).all()
    assert first.conditions.tolist() == ["WS", "Kabuki"]
    assert read_image(tmp_path / "truth.png").size
    times = [file.stat().st_mtime_ns for file in sorted((tmp_path / "measured").iterdir())]
    assert report() == tables
    assert len(done) == 8
    assert [file.stat().st_mtime_ns for file in sorted((tmp_path / "measured").iterdir())] == times
    with pytest.raises(ConfigError):
        report(persons=3)


def test_conditions_without_phantoms_are_named() -> None:
    with pytest.raises(ConfigError):
        draw_persons(["WS", "Nonesuch"], 1, 0, from_terms=False)
    with pytest.raises(ConfigError):
        draw_persons(["unaffected"], 1, 0, from_terms=False)
    assert draw_persons(["other", "unaffected"], 1, 0, from_terms=False)[0].described_terms is None
    assert draw_persons(["WS"], 1, 0, from_terms=True)[0].described_terms
