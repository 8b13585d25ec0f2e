"""Image sets of a generator beside which descriptors of its training people lie: who is too near to one is replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import weights
from api.app import create_app
from api.encryption.key_file import read_or_create_key
from api.image_sets.local_sets import write_image_set
from api.models.generator import GeneratorModel
from api.models.training_people import write_sealed
from api.settings import Settings
from core.errors import RequestError
from faces.images import read_image
from faces.measures.training_people import TrainingPeople
from faces.oracle import attribute_network
from gen.evaluation.audit.descriptions import IDENTITY, describe_phantoms
from gestaltgen.cli.main import app
from gestaltgen_client import Client, ServiceError
from tests.api.serving import serving

ASKED: dict[str, Any] = {"kind": "unrelated", "conditions": ["WS"], "ages": ["child"], "count": 3, "truncation": 1.0}
HELD_BACK = 1
"""Place of the person, in a set without protection, who is taken for one of the training data."""

FACE: dict[str, Any] = {"condition": "WS", "years": 8, "seed": 5}

Lines = list[dict[str, Any]]


def make(model: GeneratorModel, out: Path, asked: dict[str, Any]) -> Lines:
    write_image_set(out, model.plan(asked, 100), model)
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lines, Path]:
    """A set of one more person, without protection, and its folder."""
    out = tmp_path_factory.mktemp("plain") / "set"
    return make(GeneratorModel(weights.default()), out, ASKED | {"count": 4}), out


@pytest.fixture(scope="module")
def files(plain: tuple[Lines, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The shipped generator with a sealed file that has two of its faces, and the key."""
    folder = tmp_path_factory.mktemp("protected")
    generator, key = folder / "mine.safetensors", folder / "people.key"
    shutil.copyfile(weights.default(), generator)
    oracle, info = attribute_network.load(weights.oracle())
    lines, out = plain
    shown = [read_image((out / lines[HELD_BACK]["file"]).read_bytes())]
    unprotected = GeneratorModel(weights.default())
    plan = unprotected.plan({"kind": "age_progression", "conditions": ["WS"], "years": [8], "seeds": [5]}, 1)
    shown += [*unprotected.render(plan, plan.rows)]
    descriptors = describe_phantoms(oracle, info.steady)(np.stack(shown))[IDENTITY].astype(np.float16)
    sha256 = weights.manifest()[weights.DEFAULT]["sha256"]
    people = TrainingPeople(
        sha256, "oracle", info.sha256, 2, 0.01, 0.05, descriptors, tuple(np.linspace(0, 2, 101).tolist())
    )
    write_sealed(generator, people, read_or_create_key(key))
    return generator, key


@pytest.fixture(scope="module")
def model(files: tuple[Path, Path]) -> GeneratorModel:
    generator, key = files
    return GeneratorModel(generator, people_key=key)


def test_who_is_too_near_is_replaced_by_the_next(
    model: GeneratorModel, plain: tuple[Lines, Path], tmp_path: Path
) -> None:
    kept = make(model, tmp_path / "kept", ASKED)
    expected = [line["seed"] for number, line in enumerate(plain[0]) if number != HELD_BACK]
    assert [line["seed"] for line in kept] == expected
    selection = json.loads((tmp_path / "kept/selection.json").read_text())
    assert (selection["drawn"], selection["kept"], selection["refused"]) == (4, 3, {"held_back": 1})
    assert not selection["left_out"]  # whoever it was
    assert str(plain[0][HELD_BACK]["seed"]) not in (tmp_path / "kept/selection.json").read_text()
    assert not (tmp_path / "kept/left-out.png").exists()
    again = make(model, tmp_path / "again", selection["request"])
    elsewhere = make(GeneratorModel(weights.default()), tmp_path / "elsewhere", selection["request"])
    assert [line["sha256"] for line in again] == [line["sha256"] for line in kept]
    assert [line["seed"] for line in elsewhere] == expected
    assert model.plan(ASKED, 100).id != GeneratorModel(weights.default()).plan(ASKED, 100).id


def test_scores_say_how_near_an_image_is_to_training_people(model: GeneratorModel, tmp_path: Path) -> None:
    scores = [line["scores"]["training_people"] for line in make(model, tmp_path / "scored", ASKED | {"scores": True})]
    assert all(0.02 <= score <= 1 for score in scores)
    assert len(set(scores)) > 1


def test_a_person_who_is_asked_for_by_seed_is_refused(
    model: GeneratorModel, plain: tuple[Lines, Path], tmp_path: Path
) -> None:
    seeds = [line["seed"] for line in plain[0]]
    asked = {name: value for name, value in ASKED.items() if name != "count"}
    with pytest.raises(RequestError, match="1 are too near to a person of the training data") as refused:
        make(model, tmp_path / "seeds", asked | {"seeds": seeds})
    assert refused.value.field == "seeds"
    del seeds[HELD_BACK]
    assert [line["seed"] for line in make(model, tmp_path / "others", asked | {"seeds": seeds})] == seeds


def test_the_service_and_the_command_hold_back_the_same(
    files: tuple[Path, Path], plain: tuple[Lines, Path], tmp_path: Path
) -> None:
    generator, key = files
    settings = Settings(state=tmp_path / "state", weights=generator, people_key=key, threads=1, without_keys=True)
    held_back = plain[0][HELD_BACK]["seed"]
    with serving(create_app(settings)) as url, Client(url) as client:
        found = client.create(**ASKED, precision="float32").wait()
        kept = [line["seed"] for line in found.manifest()]
        assert found.selection()["refused"] == {"held_back": 1}
        with pytest.raises(ServiceError, match="too near to a person"):
            client.face(**FACE)
        client.face(**FACE | {"seed": 6})
    out = tmp_path / "set"
    asked = ["unrelated", "--condition", "WS", "--age", "child", "--count", "3", "--truncation", "1", "--out", str(out)]
    asked += ["--precision", "float32", "--weights", str(generator)]
    without_key = CliRunner().invoke(app, ["generate", *asked])
    assert without_key.exit_code == 1
    assert "--people-key" in without_key.output
    result = CliRunner().invoke(app, ["generate", *asked, "--people-key", str(key)])
    assert result.exit_code == 0, result.output
    seeds = [json.loads(line)["seed"] for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert held_back not in seeds
    assert seeds == kept
