"""`gestaltgen syndromes train` and `assess`, on phantoms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from faces.datasets.dataset import DatasetWriter
from faces.datasets.records import Record
from faces.images import encode_png, read_image
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import phantom
from gestaltgen.cli.main import app
from gestaltgen.cli.syndromes.assess import NO_ANSWER
from recognition.syndromes.assessment.answer import Novelty
from recognition.syndromes.assessment.model_files import CARD, FILE
from recognition.syndromes.assessment.novelty_space import NoveltySpace


def run(*arguments: str | Path, status: int = 0) -> str:
    result = CliRunner().invoke(app, ["syndromes", *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained models of Williams syndrome, of six patients and their controls, one of whom has no age."""
    folder = tmp_path_factory.mktemp("syndromes")
    with DatasetWriter(folder / "faces") as writer:
        for number, condition in enumerate(["WS"] * 6 + ["other"] * 9 + ["22q11DS"] * 2):
            one = phantom(condition, 6 + number % 3, 0.2, number)
            record = Record(person=str(number), condition=condition, sex=("female", "male")[number % 2])
            if number != 14:
                record = Record(**vars(record) | {"age_years": 6.0 + number % 3, "age_group": "child"})
            writer.add(draw_phantom(one, 128).image, record)
        younger = Record(person="0", condition="WS", sex="female", age_years=5.0, age_group="child")
        writer.add(np.full((128, 128, 3), 127, np.uint8), younger)  # has no face, so that the other picture counts
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
    printed = run("train", folder / "faces", "--syndrome", "22q11DS", *options, "--out", out, status=1)
    assert "img00000014.png: age unknown" in printed
    assert "22q11DS is not trained: 2 of 2" in printed  # and the other one is
    assert not (out / "22q11ds").exists()
    assert (out / "ws" / FILE).exists()
    assert "6 patients" in (out / "ws" / CARD).read_text()
    assert "ws" in run("train", folder / "faces", *options, "--out", out, status=1)  # nothing is overwritten
    return out


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "face.png"
    path.write_bytes(encode_png(draw_phantom(phantom("WS", 7, 0.2, 100), 256).image))
    return path


def assess(
    patch: pytest.MonkeyPatch, beyond: bool, photo: Path, models: Path, *options: str | Path, status: int = 0
) -> str:
    """Assess a face that lies beyond the limits of the training, or within them."""
    patch.setattr(NoveltySpace, "measure", lambda *_: Novelty(0.1, beyond))
    return run("assess", photo, "--syndrome", "ws", "--models", models, *options, status=status)


def test_a_photograph_is_assessed(models: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--sex", "female", "--prior", "0.2")
    answer = json.loads(assess(monkeypatch, False, photo, models, *options, "--json", "--out", tmp_path / "a.png"))
    assert (answer["syndrome"], answer["prior"], answer["patients"]["persons"]) == ("WS", 0.2, 6)
    assert read_image(tmp_path / "a.png").shape[1] == 512
    printed = assess(monkeypatch, False, photo, models, *options)
    probability = answer["estimates"]["neighbours"]["probability"]
    odds = probability / (1 - probability) * 4 / 99  # from a prior of 0.2 to one of 0.01
    assert f"{probability:.2f}" in printed
    assert f"{odds / (1 + odds):.3f}" in printed
    assert "age not given" in printed
    assert "no diagnosis" in printed
    for group in (answer["patients"], answer["controls"]):
        for text in (f"{group['persons']} ", *(f"{count} {sex}" for sex, count in group["sexes"].items())):
            assert text in printed
    assert answer["reasons"][0]["name"].split()[0] in printed  # the table wraps long names


def test_a_face_without_an_answer_has_a_status_of_its_own(
    models: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = assess(monkeypatch, True, photo, models, "--json", "--out", tmp_path / "none.png", status=NO_ANSWER)
    assert not json.loads(printed)["estimates"]
    assert "unlike" in assess(monkeypatch, True, photo, models, status=NO_ANSWER)
    assert f"status is then {NO_ANSWER}" in " ".join(run("assess", "--help").split())


def test_what_cannot_be_is_refused_with_its_name(models: Path, photo: Path) -> None:
    for option, value in (("--syndrome", "Kabuki"), ("--term", "HP:9999999"), ("--sex", "f"), ("--prior", "1")):
        options = {"--syndrome": "WS", option: value}
        arguments = [part for pair in options.items() for part in pair]
        assert value in run("assess", photo, "--models", models, *arguments, status=1)
