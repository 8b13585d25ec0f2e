"""`gestaltgen oracle`, through its runner."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from faces.oracle import measurement
from faces.oracle.attribute_network import load
from faces.phantoms.phantom_dataset import synthesise
from gestaltgen.cli.main import app


def test_train_writes_an_oracle_with_its_figures_and_test_measures_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "AGEING_PEOPLE", 5)
    out = tmp_path / "oracle.safetensors"
    args = [
        "oracle",
        "train",
        "--out",
        str(out),
        "--folder",
        str(tmp_path / "data"),
        "--phantoms",
        "64",
        "--epochs",
        "1",
    ]
    args += ["--test-phantoms", "20", "--workers", "1"]
    dry = CliRunner().invoke(app, [*args, "--dry-run"], catch_exceptions=False)
    assert dry.exit_code == 0
    assert "64 phantoms of 128 px, seed 701" in dry.output
    assert list(tmp_path.iterdir()) == []
    result = CliRunner().invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    _, info = load(out)
    assert info.figures["phantoms"] == 20
    assert info.figures["identity_drift"]["people"] == 5
    assert "trained on 64 phantoms of seed 701 for 1 epochs" in info.origin
    sets = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert sets == ["oracle-phantoms128-seed701-64.zip", "oracle-phantoms128-seed702-20.zip"]
    before = out.read_bytes()
    again = CliRunner().invoke(app, args, catch_exceptions=False)
    assert "is there" in again.output
    assert load(out)[1].figures == info.figures
    assert len(out.read_bytes()) == len(before)
    measured = CliRunner().invoke(
        app, ["oracle", "test", str(tmp_path / "data" / sets[1]), "--oracle", str(out)], catch_exceptions=False
    )
    assert f"{info.figures['condition_accuracy']:.1%}" in measured.output


def test_a_test_on_the_training_phantoms_is_refused(tmp_path: Path) -> None:
    args = ["oracle", "train", "--seed", "5", "--test-seed", "5", "--folder", str(tmp_path), "--dry-run"]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 1
    assert all(named in result.stderr for named in ("--seed", "--test-seed", "5"))


def test_the_shipped_oracle_is_measured_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "AGEING_PEOPLE", 5)
    synthesise(tmp_path / "unseen.zip", count=20, size=64, seed=7_778)
    result = CliRunner().invoke(app, ["oracle", "test", str(tmp_path / "unseen.zip")], catch_exceptions=False)
    assert result.exit_code == 0
    assert "condition read right" in result.output
