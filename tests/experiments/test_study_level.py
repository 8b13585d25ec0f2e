from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.study_level.__main__ import app
from experiments.study_level.scenarios import SCENARIOS, compute_true_accuracy_difference, simulate_outcome
from experiments.study_level.summary import RECORDED, summarise


def test_a_stopped_experiment_goes_on(tmp_path: Path) -> None:
    for studies in (1, 2):
        result = CliRunner().invoke(app, ["--out", str(tmp_path), "--studies", str(studies)])
        assert result.exit_code == 0, result.output
    outcomes = json.loads((tmp_path / "outcomes.json").read_text())
    assert [outcome["number"] for outcome in outcomes] == [0] * len(SCENARIOS) + [1] * len(SCENARIOS)
    assert [row["studies"] for row in json.loads((tmp_path / "results.json").read_text())] == [2] * len(SCENARIOS)
    assert (tmp_path / "table.md").read_text().count("\n") == 2 + len(SCENARIOS)


def test_true_differences_of_accuracy_follow_from_the_effect() -> None:
    differences = {name: compute_true_accuracy_difference(effects) for name, effects in SCENARIOS.items()}
    assert differences["slopes, no effect"] == pytest.approx(0)
    assert -0.12 < differences["slopes, effect -0.5"] < -0.08


def test_a_study_has_one_outcome() -> None:
    name = "slopes, no effect"
    assert simulate_outcome(name, 3) == simulate_outcome(name, 3) != simulate_outcome(name, 4)
    [summary] = summarise([simulate_outcome(name, 3)])
    assert (summary.studies, summary.rejected in (0, 1)) == (1, True)


def test_the_recorded_tests_hold_their_level_and_the_intervals_cover() -> None:
    rows = {row["scenario"]: row for row in json.loads(RECORDED.read_text())}
    assert rows.keys() == SCENARIOS.keys()
    for name, row in rows.items():
        assert row["studies"] >= 2000
        assert 0.93 <= row["covered"] <= 0.97
        assert row["effect"] != 0 or 0.035 <= row["rejected"] <= 0.065, name
