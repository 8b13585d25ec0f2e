"""Folds: persons on one side, conditions and ages alike."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from recognition.images.folds import split_into_folds
from tests.recognition.coloured import CLASSES, squares


def test_every_face_is_validated_once_and_persons_stay_together() -> None:
    samples = squares(120, images_per_person=3)
    split = split_into_folds(samples)
    assert sorted(np.concatenate([held for _, held in split]).tolist()) == list(range(120))
    for learnt, held in split:
        assert sorted([*learnt, *held]) == list(range(120))
        sides = [{samples.samples[index].person for index in side} for side in (learnt, held)]
        assert not sides[0] & sides[1]


def test_conditions_and_ages_are_alike() -> None:
    samples = squares(300)
    for _, held in split_into_folds(samples):
        counts = Counter((samples.samples[i].condition, samples.samples[i].age_group) for i in held)
        assert len(counts) == 12
        assert max(counts.values()) <= min(counts.values()) + 1


def test_the_seed_says_all() -> None:
    samples = squares(60)
    first, again, other = (
        split_into_folds(samples, seed=1),
        split_into_folds(samples, seed=1),
        split_into_folds(samples, seed=2),
    )
    assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


def test_few_of_every_stratum_is_no_reason_to_lose_a_class() -> None:
    """Five persons of a class, of as many folds: each fold has one."""
    samples = squares(20)
    for seed in range(4):
        for _, held in split_into_folds(samples, seed=seed):
            assert {samples.samples[index].condition for index in held} == set(CLASSES)


def test_too_few_persons_for_the_folds_are_refused() -> None:
    samples = squares(40, images_per_person=5)
    with pytest.raises(DatasetError, match=r"class .WS. has 2 persons, too few for 5 folds.*ask for fewer folds"):
        split_into_folds(samples)
    assert len(split_into_folds(samples, 2)) == 2


def test_what_has_no_folds() -> None:
    with pytest.raises(ConfigError, match="1 folds"):
        split_into_folds(squares(20), 1)
    with pytest.raises(DatasetError, match="blended label"):
        split_into_folds(squares(20, blend=0.75))
