"""`gestaltgen syndromes train` and `assess`, on phantoms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from faces.datasets.dataset import DatasetWriter
from faces.datasets.records import Record
from faces.images import encode_png, read_image
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import phantom
from gestaltgen.cli.main import app
from recognition.syndromes.assessment.model_files import CARD, FILE


def run(*arguments: str | Path, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["syndromes", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained models of Williams syndrome, of six patients and their controls, one of whom has no age."""
    folder = tmp_path_factory.mktemp("syndromes")
    with DatasetWriter(folder / "faces") as writer:
        for number, condition in enumerate(["WS"] * 6 + ["other"] * 9):
            one = phantom(condition, 6 + number % 3, 0.2, number)
            record = Record(person=str(number), condition=condition, sex=("female", "male")[number % 2])
            if number != 14:
                record = Record(**vars(record) | {"age_years": 6.0 + number % 3, "age_group": "child"})
            writer.add(draw_phantom(one, 128).image, record)
    out = folder / "models"
    options = (
        "--syndrome",
        "williams syndrome",
        "--no-ancestry",
        "--flat",
        "--draws",
        "1",
        "--folds",
        "2",
        "--model",
        "neighbours",
    )
    printed = run("train", folder / "faces", *options, "--out", out)
    assert "img00000014.png: age unknown" in printed
    assert (out / "ws" / FILE).exists()
    assert "6 patients" in (out / "ws" / CARD).read_text()
    assert "ws" in run("train", folder / "faces", *options, "--out", out, status=1)  # nothing is overwritten
    return out


def test_a_photograph_is_assessed(models: Path, tmp_path: Path) -> None:
    photo = tmp_path / "face.png"
    photo.write_bytes(encode_png(draw_phantom(phantom("WS", 7, 0.2, 100), 256).image))
    options = ("--syndrome", "ws", "--models", models, "--sex", "female", "--age", "7")
    answer = json.loads(run("assess", photo, *options, "--json", "--out", tmp_path / "reasons.png"))
    assert (answer["syndrome"], answer["prior"], answer["patients"]["persons"]) == ("WS", 0.5, 6)
    assert bool(answer["estimates"]) != bool(answer["refusals"])
    assert read_image(tmp_path / "reasons.png").shape == (512, 512, 3)
    printed = run("assess", photo, *options)
    assert "no diagnosis" in printed
    assert "of the faces of the training" in printed


def test_what_cannot_be_is_refused_with_its_name(models: Path, tmp_path: Path) -> None:
    photo = tmp_path / "face.png"
    photo.write_bytes(encode_png(draw_phantom(phantom("WS", 7, 0.2, 100), 128).image))
    for option, value in (("--syndrome", "Kabuki"), ("--term", "HP:9999999"), ("--sex", "f"), ("--prior", "1")):
        options = {"--syndrome": "WS", option: value}
        arguments = [part for pair in options.items() for part in pair]
        assert value in run("assess", photo, "--models", models, *arguments, status=1)
