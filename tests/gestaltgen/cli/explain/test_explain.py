"""`gestaltgen explain ages` and `regions` through their runner. Those of `faces` are with its reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from faces.datasets.dataset import Dataset
from faces.phantoms.person import phantom
from faces.phantoms.phantom_dataset import synthesise, write_phantoms
from gestaltgen.cli.main import app
from recognition.classifier import Classifier, build_network
from recognition.config import ClassifierTrainingConfig
from recognition.images.leakage import TrainingRecord


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three persons of each of four conditions and five age groups."""
    path = tmp_path_factory.mktemp("data") / "faces"
    synthesise(path, count=60, size=32, seed=0)
    return path


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["explain", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_ages_are_compared(tmp_path: Path) -> None:
    conditions, ages = ("WS", "unaffected"), (1, 5)
    groups = [(name, age) for name in conditions for age in ages]
    people = [phantom(*group, 0.2, 10 * n + number) for n, group in enumerate(groups) for number in range(5)]
    write_phantoms(tmp_path / "faces", people, size=32, conditions=conditions)
    classes = Dataset.open(tmp_path / "faces").conditions
    config = ClassifierTrainingConfig(size=32)
    record = TrainingRecord("classifier", frozenset())
    Classifier(build_network(config, len(classes)).eval(), classes, config, record).save(tmp_path / "one.safetensors")
    options = ("--window", "16", "--stride", "16", "--permutations", "99", "--out", tmp_path / "ages")
    run("ages", tmp_path / "one.safetensors", tmp_path / "faces", *options)
    report = json.loads((tmp_path / "ages" / "ages.json").read_text())
    pairs = {(pair["condition"], pair["first"], pair["second"]) for pair in report["pairs"]}
    assert pairs == {(name, "infant", "child") for name in conditions}
    assert all(pair["first_persons"] == 5 for pair in report["pairs"])
    assert all(0 <= pair["low"] <= pair["high"] for pair in report["pairs"])
    assert report["about"]["window and step, pixels"] == [16, 16]
    assert "diagnosis" in report["notice"]


def test_regions_are_asked_about(phantoms: Path, tmp_path: Path) -> None:
    lines = ["file,method,region,relevance"]
    for number, record in enumerate(Dataset.open(phantoms).records):
        lines.append(f"{record.file},gradcam,eyes,{number % 7 + 10 * (record.condition == 'WS')}")
    (tmp_path / "relevance.csv").write_text("\n".join(lines))
    run("regions", tmp_path / "relevance.csv", phantoms, "--out", tmp_path / "regions")
    report = json.loads((tmp_path / "regions" / "regions.json").read_text())
    assert {test["condition"]: test["holm"] < 0.01 for test in report["affected"]} == {
        "WS": True,
        "22q11DS": False,
        "other": False,
    }
