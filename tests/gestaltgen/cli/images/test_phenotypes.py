from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from faces.datasets.dataset import Dataset
from faces.images import read_image
from faces.phantoms.drawn_terms import DRAWN_TERMS
from gestaltgen.cli.images.phenotypes import app
from gestaltgen.cli.training.dataset import app as dataset_app

OWN = """
[conditions.LAB1]
label = "Condition of a laboratory"
terms = { "HP:0000343" = 1.0, "HP:0000687" = 1.0, "HP:0000175" = 0.5 }
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


def test_show_prints_the_terms_and_draws_those_that_can_be_drawn(own: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    result = run("show", "LAB1", "--conditions", own, "--out", out, "--size", 64)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines() if line.strip().startswith("HP:")]
    assert {row[0]: row[-1] for row in rows} == {"HP:0000343": "yes", "HP:0000687": "yes", "HP:0000175": "50%"}
    height, width, _ = read_image(out.read_bytes()).shape
    assert width > 4 * 64 > height > 64  # two terms, and an average face before each, as one of them needs a smile


def test_show_takes_a_term(tmp_path: Path) -> None:
    result = run("show", "long philtrum", "--out", tmp_path / "one.png", "--size", 64)
    assert result.exit_code == 0, result.output
    assert "HP:0000343" in result.output
    assert (tmp_path / "one.png").exists()
    assert run("show", "no such thing").exit_code == 1


def test_list_names_every_drawn_term() -> None:
    output = run("list").output
    assert all(term in output for term in DRAWN_TERMS)


def test_a_data_set_of_a_condition_has_its_terms(own: Path, tmp_path: Path) -> None:
    options = ["--condition", "LAB1", "--condition", "unaffected", "--conditions", own, "--phenotype", "ptosis"]
    size = ["--count", 4, "--size", 16, "--workers", 1]
    arguments = ["phantoms", tmp_path / "p", *options, *size]
    result = CliRunner().invoke(dataset_app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    with Dataset.open(tmp_path / "p") as dataset:
        assert dataset.conditions == ("LAB1", "unaffected")
        assert [set(record.present) for record in dataset.records] == 2 * [
            {"HP:0000343", "HP:0000687", "HP:0000508"},
            {"HP:0000508"},
        ]
        assert all("HP:0000486" in record.absent for record in dataset.records)
        assert {record.sex for record in dataset.records} <= {"female", "male"}
        assert {record.ancestry for record in dataset.records} <= {"light", "medium", "dark"}
