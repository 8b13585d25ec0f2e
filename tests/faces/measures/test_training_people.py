from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import CheckpointError, ConfigError
from faces.measures.distances import Features
from faces.measures.training_people import TrainingPeople


def draw(seed: int, count: int) -> Features:
    return np.random.default_rng(seed).normal(size=(count, 8))


def calibrate(trained: Features, unseen: Features, share: float = 0.05) -> TrainingPeople:
    return TrainingPeople.calibrate(
        trained, unseen, share=share, people=len(trained), weights_sha256="a" * 64, reader="dlib"
    )


def test_the_threshold_is_the_distance_that_a_share_of_unseen_people_do_not_exceed() -> None:
    trained, unseen = draw(0, 50), draw(1, 200)
    people = calibrate(trained, unseen)
    assert people.compare(unseen)[0].sum() == 10
    assert people.compare(trained)[0].all()  # although they are rounded to float16
    assert people.compare(draw(2, 2000))[0].mean() == pytest.approx(0.05, abs=0.03)


def test_pictures_without_a_face_are_left_out_and_near_nobody() -> None:
    trained, unseen = draw(0, 50), draw(1, 200)
    trained[3] = unseen[7] = np.nan
    people = calibrate(trained, unseen)
    assert people.descriptors.shape == (49, 8)
    assert not people.compare(np.full((2, 8), np.nan))[0].any()


def test_the_rank_is_the_share_of_unseen_people_who_are_as_near() -> None:
    people = calibrate(draw(0, 50), draw(1, 200))
    ranks = people.compare(draw(2, 2000))[1]
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.05)
    assert people.compare(draw(0, 1))[1] == 0
    assert np.isnan(people.compare(np.full((1, 8), np.nan))[1])


def test_training_people_are_the_same_after_storage() -> None:
    people = calibrate(draw(0, 50), draw(1, 200))
    stored = TrainingPeople.from_bytes(people.to_bytes())
    assert np.array_equal(stored.descriptors, people.descriptors)
    assert stored.descriptors.dtype == np.float16
    assert replace(stored, descriptors=people.descriptors) == people


@pytest.mark.parametrize("share", [0.0, 1.0, 0.004])
def test_a_share_that_is_none_or_needs_more_unseen_people_is_refused(share: float) -> None:
    with pytest.raises(ConfigError):
        calibrate(draw(0, 50), draw(1, 200), share)


@pytest.mark.parametrize("data", [b"", b"{}\n", b"[]\n", b'{"version": 1, "shape": [2, 2]}\n' + bytes(8)])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        TrainingPeople.from_bytes(data)


def test_another_version_is_refused_and_a_part_of_the_bytes_too() -> None:
    data = calibrate(draw(0, 50), draw(1, 200)).to_bytes()
    with pytest.raises(CheckpointError, match="version 2"):
        TrainingPeople.from_bytes(data.replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(CheckpointError):
        TrainingPeople.from_bytes(data[:-2])
