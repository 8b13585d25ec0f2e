from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import weights
from api.encryption.key_file import read_or_create_key
from api.models.generator import load_detector
from api.models.training_people import TrainingPeopleGuard, find_place, write_sealed
from core.errors import CheckpointError, ConfigError
from faces.images import Pixels
from faces.measures.training_people import TrainingPeople
from faces.oracle import attribute_network
from faces.phantoms.phantom_dataset import fresh_phantoms
from gen.evaluation.audit.descriptions import IDENTITY, describe_phantoms

SHA256 = "5" * 64


def draw(count: int, seed: int) -> Pixels:
    return np.concatenate([*fresh_phantoms(count, 64, seed)])


@pytest.fixture(scope="module")
def trained() -> Pixels:
    return draw(8, seed=1)


@pytest.fixture(scope="module")
def people(trained: Pixels) -> TrainingPeople:
    oracle, info = attribute_network.load(weights.oracle())
    describe = describe_phantoms(oracle, info.steady)
    return TrainingPeople.calibrate(
        describe(trained)[IDENTITY],
        describe(draw(20, seed=2))[IDENTITY],
        share=0.05,
        people=8,
        weights_sha256=SHA256,
        reader="oracle",
        reader_sha256=info.sha256,
    )


def open_guard(generator: Path, key: Path | None, sha256: str = SHA256) -> TrainingPeopleGuard | None:
    return TrainingPeopleGuard.open(generator, sha256, key, load_detector)


def test_training_people_are_found_and_most_others_are_not(
    people: TrainingPeople, trained: Pixels, tmp_path: Path
) -> None:
    generator, key = tmp_path / "mine.safetensors", tmp_path / "key"
    sealed = write_sealed(generator, people, read_or_create_key(key))
    assert sealed == tmp_path / "mine-people.sealed"
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert people.descriptors.tobytes()[:16] not in sealed.read_bytes()
    guard = open_guard(generator, key)
    assert guard is not None
    assert guard.compare(trained)[0].all()
    assert guard.compare(draw(20, seed=2))[0].sum() == 1
    assert not guard.compare(np.concatenate([trained, draw(4, seed=3)]))[0][8:].all()


def test_a_checkpoint_without_a_sealed_file_has_no_guard(tmp_path: Path) -> None:
    assert open_guard(tmp_path / "mine.safetensors", None) is None


def test_what_cannot_be_opened_is_refused(people: TrainingPeople, tmp_path: Path) -> None:
    generator, key = tmp_path / "mine.safetensors", tmp_path / "key"
    write_sealed(generator, people, read_or_create_key(key))
    with pytest.raises(ConfigError, match="GESTALTGEN_PEOPLE_KEY"):
        open_guard(generator, None)
    with pytest.raises(CheckpointError, match="another checkpoint"):
        open_guard(generator, key, sha256="6" * 64)
    read_or_create_key(tmp_path / "other")
    with pytest.raises(CheckpointError, match="another key"):
        open_guard(generator, tmp_path / "other")
    sealed = bytearray(find_place(generator).read_bytes())
    sealed[-20] ^= 1
    find_place(generator).write_bytes(sealed)
    with pytest.raises(CheckpointError, match="damaged"):
        open_guard(generator, key)


def test_descriptors_of_another_oracle_are_refused(people: TrainingPeople) -> None:
    with pytest.raises(CheckpointError, match="oracle"):
        TrainingPeopleGuard(replace(people, reader_sha256="7" * 64), "", load_detector)
