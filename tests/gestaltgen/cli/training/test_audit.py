"""`gestaltgen weights audit`, through its runner, with a tiny generator of known behaviour."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from api.encryption.key_file import read_key
from api.encryption.sealed_files import unseal
from core.seen_images import SeenImages
from faces.datasets.dataset import Dataset
from faces.image_set_request import ImageSetRequest
from faces.images import Pixels
from faces.measures.training_people import TrainingPeople
from faces.oracle import attribute_network as oracle_file
from faces.oracle.attribute_network import Oracle, OracleConfig
from faces.phantoms.phantom_dataset import synthesise
from gen import checkpoint
from gen.config import DiscriminatorConfig
from gen.imagesets import Row
from gen.labels import Vocabulary
from gen.networks import Discriminator
from gestaltgen.cli.main import app
from tests.gen.fixtures import generator_32

TRAINED, UNSEEN = 20, 40

pytestmark = pytest.mark.usefixtures("computed_by_layers")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that lists its training data, a discriminator, an untrained oracle and phantoms."""
    folder = tmp_path_factory.mktemp("audit")
    synthesise(folder / "trained.zip", count=TRAINED, size=32, seed=1)
    synthesise(folder / "unseen.zip", count=UNSEEN, size=32, seed=2)
    synthesise(folder / "more.zip", count=UNSEEN, size=32, seed=3)
    with Dataset.open(folder / "trained.zip") as data:
        seen = SeenImages.of(data.key(index) for index in range(len(data)))
    checkpoint.save(folder / "generator.safetensors", generator_32(), seen=seen)
    torch.manual_seed(0)
    config = DiscriminatorConfig(32, channel_base=64, channel_max=8, vocabulary=Vocabulary(), mapping_layers=1)
    checkpoint.save(folder / "discriminator.safetensors", Discriminator(config))
    oracle = Oracle(OracleConfig(widths=(4, 4, 4, 4), features=6)).eval()
    oracle_file.save(folder / "oracle.safetensors", oracle, figures={}, origin="a test")
    return folder


def run(
    files: Path,
    out: Path,
    *extra: str,
    data: str = "trained.zip",
    unseen: str = "unseen.zip",
    generator: Path | None = None,
) -> Result:
    generator = generator or files / "generator.safetensors"
    args = ["weights", "audit", generator, "--data", files / data, "--out", out]
    args += ["--unseen", files / unseen, "--oracle", files / "oracle.safetensors", "--images", "40"]
    args += ["--false-positives", "0.25", "--inversions", "0", *extra]
    return CliRunner().invoke(app, [*map(str, args)])


def audit(files: Path, out: Path, *extra: str) -> dict[str, Any]:
    result = run(files, out, *extra)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads((out / "audit.json").read_text())
    return found


Render = Callable[[object, Sequence[Row], ImageSetRequest], Pixels]


def returning(path: Path) -> Render:
    """Return a substitute of the generator's rendering that returns the pictures of a data set in turn."""
    with Dataset.open(path) as data:
        pictures = data.images()
    return lambda sampler, rows, request: pictures[[row.index % len(pictures) for row in rows]]


def test_a_generator_that_returns_training_images_is_caught(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gen.sampler.Sampler.render", returning(files / "trained.zip"))
    card = tmp_path / "card.md"
    card.write_text("# A generator\n\n**Licence.** None.\n")
    found = audit(files, tmp_path / "out", "--show-pairs", "--card", str(card))
    assert found["leaks"] is True
    attacks = {attack["name"]: attack for attack in found["membership"]}
    assert attacks["nearest image, pixels"]["area"]["area"] == 1
    assert attacks["all scores combined"]["area"]["area"] >= 0.95
    assert attacks["nearest image, pixels"]["rates"][0]["rate"] == 1
    assert all(closeness["share"] == 1 and closeness["persons"] == TRAINED for closeness in found["closeness"])
    assert (tmp_path / "out" / "pairs.png").stat().st_mode & 0o777 == 0o600  # it shows training people
    assert "A generator" in card.read_text()
    audit(files, tmp_path / "again", "--card", str(card))
    assert card.read_text().count("**Leakage audit**") == 1
    assert not (tmp_path / "again" / "pairs.png").exists()


def test_a_generator_that_returns_unseen_people_is_not_caught(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gen.sampler.Sampler.render", returning(files / "more.zip"))
    found = audit(files, tmp_path / "out")
    assert found["leaks"] is False
    for attack in found["membership"]:
        assert attack["area"]["low"] <= 0.5 <= attack["area"]["high"]
    assert all(closeness["p"] > 0.01 for closeness in found["closeness"])
    assert "pairs" not in found


def test_every_attack_is_made_and_the_page_shows_it(files: Path, tmp_path: Path) -> None:
    extra = ["--discriminator", str(files / "discriminator.safetensors"), "--people", "40"]
    extra += ["--inversions", "3", "--inversion-steps", "1"]
    found = audit(files, tmp_path / "out", *extra)
    names = [attack["name"] for attack in found["membership"]]
    assert names == [
        "nearest image, identity",
        "nearest image, perceptual",
        "nearest image, pixels",
        "discriminator",
        "inversion error",
        "all scores combined",
    ]
    assert [attack["members"] for attack in found["membership"]] == [20, 20, 20, 20, 3, 10]
    assert found["about"]["people"] == {"file": "unseen.zip", "members": 20, "unseen": 40, "inverted": 3}
    assert found["about"]["data"]["covered"] == 1
    assert set(found["left_out"]) == {"inversion in the combined attack"}
    page = (tmp_path / "out" / "audit.html").read_text()
    assert all(name in page for name in names)


def test_descriptors_of_training_people_are_sealed_beside_the_checkpoint(files: Path, tmp_path: Path) -> None:
    generator, key = tmp_path / "mine.safetensors", tmp_path / "people.key"
    shutil.copyfile(files / "generator.safetensors", generator)
    result = run(files, tmp_path / "out", "--people-key", str(key), "--hold-back", "0.05", generator=generator)
    assert result.exit_code == 0, result.output
    assert f"descriptors of {TRAINED} training people" in result.output
    sealed = (tmp_path / "mine-people.sealed").read_bytes()
    info = checkpoint.read_info(generator)
    people = TrainingPeople.from_bytes(unseal(read_key(key), f"training people of {info.sha256}", sealed))
    assert (people.weights_sha256, people.people, len(people.descriptors)) == (info.sha256, TRAINED, TRAINED)
    assert "descriptors" not in (tmp_path / "out" / "audit.json").read_text()
    assert (
        run(files, tmp_path / "out", "--people-key", str(key), "--hold-back", "1", generator=generator).exit_code == 2
    )


def test_what_allows_no_audit_is_refused_and_nothing_is_written(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    too_few = run(files, out, "--false-positives", "0.01")
    assert too_few.exit_code == 1
    assert "1000" in too_few.output
    foreign = run(files, out, data="more.zip")
    assert foreign.exit_code == 1
    assert "lists 0 of 40" in foreign.output
    assert run(files, out, unseen="trained.zip").exit_code == 1
    assert run(files, out, "--false-positives", "2").exit_code == 2
    assert run(files, out, "--discriminator", str(files / "generator.safetensors")).exit_code == 1
    card = tmp_path / "card.md"
    card.write_text("<!-- leakage audit -->")
    assert run(files, out, "--card", str(card)).exit_code == 1
    assert not out.exists()
