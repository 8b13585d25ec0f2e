"""The experiment on blends: who is blended, what is between two conditions, and the errors of labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.errors import ConfigError
from experiments.blends import __main__ as blends
from experiments.blends.faces import EMBEDDING, WAYS, BlendedPerson, W, choose_renderer, list_persons, mix_phantoms
from experiments.blends.readings import BlendReadings, measure_errors
from faces.labels import AGE_GROUPS
from faces.phantoms.person import phantom
from gen import checkpoint
from gen.labels import Vocabulary
from gen.networks import Generator
from tests.gen.training.tiny import GENERATOR


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    checkpoint.save(tmp_path / "tiny.safetensors", Generator(GENERATOR))
    return tmp_path / "tiny.safetensors"


def test_every_pair_and_age_has_persons_of_its_own() -> None:
    people = list_persons(Vocabulary(), 2)
    assert len(people) == 2 * 6 * len(AGE_GROUPS) == len({person.seed for person in people})
    assert list_persons(Vocabulary(), 1) == people[: len(people) // 2]


def test_a_drawn_blend_lies_between_the_two_phantoms_of_a_person() -> None:
    person = BlendedPerson("WS", "22q11DS", AGE_GROUPS[3], 7)
    ends = [mix_phantoms(person, share) for share in (1.0, 0.0)]
    for condition, end in zip(("WS", "22q11DS"), ends, strict=True):
        assert end.traits == pytest.approx(phantom(condition, end.age_years, end.smile, 7).traits)
    middle = mix_phantoms(person, 0.25).traits
    assert middle == pytest.approx({n: 0.25 * v + 0.75 * ends[1].traits[n] for n, v in ends[0].traits.items()})
    assert ends[0].traits != ends[1].traits


def test_blends_of_a_generator_differ_between_the_ends_alone(weights: Path) -> None:
    network, people = checkpoint.load_for_inference(weights, threads=1), list_persons(Vocabulary(), 1)[:4]
    images = {
        (way, share): choose_renderer(way, network, Vocabulary(), 0.6)(people, share).astype(int)
        for way in (EMBEDDING, W)
        for share in (0.0, 0.5, 1.0)
    }
    for share in (0.0, 1.0):
        assert np.abs(images[EMBEDDING, share] - images[W, share]).max() <= 1
    assert (images[W, 0.5] != images[W, 0.0]).any()


def test_errors_are_those_of_blends_and_a_correction_comes_from_other_persons() -> None:
    people = [BlendedPerson("WS", "other", AGE_GROUPS[0], seed) for seed in range(2)]
    readings = [
        BlendReadings(W, 0.0, (0.5, 0.5), (0.5, 0.5)),  # an end, which does not count
        BlendReadings(W, 0.5, (0.4, 0.6), (0.1, 0.2)),
    ]
    label, corrected = measure_errors(readings, people)
    assert label.tolist() == pytest.approx([0.3, 0.25])
    assert corrected.tolist() == pytest.approx([0.05, 0.05])
    assert readings[1].neither.tolist() == pytest.approx([0.5, 0.2])


def test_a_stopped_experiment_goes_on(tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blends, "SHARES", (0.0, 0.5))
    out = tmp_path / "out"
    arguments = ["--out", str(out), "--persons", "2", "--generator", str(weights)]
    assert CliRunner().invoke(blends.app, arguments).exit_code == 0
    stored, table = json.loads((out / "readings.json").read_text()), (out / "table.md").read_text()
    assert [(one["way"], one["share"]) for one in stored["readings"]] == [(w, s) for s in (0.0, 0.5) for w in WAYS]
    del stored["readings"][2:]
    (out / "readings.json").write_text(json.dumps(stored))
    result = CliRunner().invoke(blends.app, arguments)
    assert "of 6: mix of embeddings (published) at 0\n" not in result.output
    assert "3 of 6: drawn, mix of traits at 0\n" in result.output
    assert (out / "table.md").read_text() == table
    assert all((out / name).read_bytes().startswith(b"\x89PNG") for name in ("shares.png", "faces.png"))
    other = CliRunner().invoke(blends.app, [*arguments, "--truncation", "1"])
    assert isinstance(other.exception, ConfigError)
