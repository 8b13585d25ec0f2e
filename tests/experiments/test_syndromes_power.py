from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.syndromes import power
from experiments.syndromes.graded_people import STRENGTHS
from recognition.syndromes.cohorts.person import Cohort, Person
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import DESCRIPTOR, Layout


def open_invented_people(*args: object, **options: object) -> tuple[Cohort, FaceFeatures]:
    """Make fourteen people of each strength and controls; the nearer patients are to each other, the clearer."""
    generator = np.random.default_rng(0)
    spreads: dict[str | None, float] = {None: 1.0} | {name: 1 - value for name, value in STRENGTHS.items()}
    persons = [Person(f"{name}{at}", f"{name}{at}", name, "female", "A", 5.0) for name in spreads for at in range(14)]
    X = np.array([1 + spreads[one.syndrome] * generator.normal(size=6) for one in persons], np.float32)
    return Cohort(tuple(persons)), FaceFeatures(tuple(one.file for one in persons), X, Layout(((DESCRIPTOR, 6),)))


def test_the_power_of_each_strength_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.syndromes.power.open_graded_people", open_invented_people)
    results = power.measure_power(tmp_path, power.PowerScale((10,), groups=20))
    found = [results[strength][0].found.value for strength in ("hardly visible", "mild", "clear")]
    assert found == sorted(found)
    assert found[-1] > 0.8
    assert [*json.loads((tmp_path / power.RESULTS).read_text())] == [*STRENGTHS]
    assert power.format_power(results).splitlines()[-1].startswith("| 10 |")
