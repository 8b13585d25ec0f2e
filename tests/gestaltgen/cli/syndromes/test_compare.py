"""`gestaltgen syndromes compare` and `grouping` on a data set with the faults that laboratories' data sets have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from faces.datasets.dataset import DatasetWriter
from faces.datasets.records import Record
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import Phantom, phantom
from gestaltgen.cli.main import app

SIZE = 64


def draw_people() -> Iterator[Phantom]:
    """Draw seven patients with one syndrome, four with another, and controls, all children."""
    for number, condition in enumerate(["WS"] * 7 + ["22q11DS"] * 4 + ["other"] * 12):
        yield phantom(condition, 6 + number % 3, 0.2, number)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "faces"
    with DatasetWriter(path) as writer:
        for of in draw_people():
            drawn = draw_phantom(of, SIZE)
            record = Record(person=str(of.identity), condition=of.condition, age_years=of.age_years, age_group="child")
            record = replace(record, sex=of.sex)
            if of.identity == 0:  # a patient of unknown sex
                record = replace(record, sex=None)
            if of.identity == 13:  # a second picture of a control
                record = replace(record, person="12", sex=phantom("other", 6, 0, 12).sex)
            faceless = of.identity == 14
            image = np.full_like(drawn.image, 127) if faceless else drawn.image
            writer.add(image, record, np.full((68, 2), np.nan) if faceless else drawn.landmarks)
    return path


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, ["syndromes", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_comparison_reports_everybody_who_cannot_be_compared(dataset: Path, tmp_path: Path) -> None:
    options = ["--no-ancestry", "--model", "neighbours", "--runs", "1", "--permutations", "9", "--workers", "1"]
    output = run("compare", dataset, "--out", tmp_path, *options)
    assert "22q11DS is left out" in output
    assert "WS: 6 patients, pairs in each run: 6" in output
    page = (tmp_path / "report.html").read_text()
    problems = (tmp_path / "problems.csv").read_text()
    for number in (0, 13, 14):
        assert f"img{number:08d}.png" in problems
        assert f"img{number:08d}.png" in page


def test_groups_name_the_patients_without_a_control(dataset: Path, tmp_path: Path) -> None:
    output = run("grouping", dataset, "--out", tmp_path, "--no-ancestry", "--permutations", "9")
    answers = {one["syndrome"]: one for one in json.loads((tmp_path / "groups.json").read_text())["groups"]}
    assert answers["WS"]["test"]["patients"] == 6
    left_out = [person for one in answers.values() for person, _ in one["unmatched"]]
    assert all(person in output for person in left_out)
    assert all(one["patients"] == len(one["unmatched"]) for one in answers.values() if one["test"] is None)


def test_unknown_models_and_matchings_are_refused(dataset: Path, tmp_path: Path) -> None:
    for option, value in (("--model", "oracle"), ("--matching", "fair")):
        result = CliRunner().invoke(
            app, ["syndromes", "compare", str(dataset), "--no-ancestry", option, value, "--out", str(tmp_path)]
        )
        assert result.exit_code == 1
        assert value in result.output


def test_a_table_without_ages_is_refused_with_the_reason(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "faces") as writer:
        drawn = draw_phantom(phantom("WS", 6, 0, 0), SIZE)
        writer.add(drawn.image, Record(condition="WS", sex="male", person="one"), drawn.landmarks)
    result = CliRunner().invoke(app, ["syndromes", "compare", str(tmp_path / "faces"), "--out", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "age_years" in result.output
