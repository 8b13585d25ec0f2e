from __future__ import annotations

import numpy as np
import pytest

from core.statistics.sign_flips import flip_signs
from studies.gaze.paired_differences import compare_crossed, pair_within


def draw(people: int, generator: np.random.Generator, effect: float = 0.0, slope: float = 0.0):  # type: ignore[no-untyped-def]
    """Draw values of two complementary versions with intercepts of people and faces, and slopes of both."""
    faces = 16
    person, face = np.repeat(np.arange(people), faces), np.tile(np.arange(faces), people)
    edited = (face < faces // 2) == (person % 2 == 0)
    own = generator.normal(0, slope, people)[person] + generator.normal(0, slope, faces)[face]
    values = generator.normal(size=people)[person] + 3 * generator.normal(size=faces)[face]
    values += generator.normal(size=len(person)) + np.where(edited, 0.5, -0.5) * (effect + own)
    return person, face, edited, values


def test_differences_between_faces_are_removed_exactly() -> None:
    generator = np.random.default_rng(2)
    person, face, edited, values = draw(10, generator)
    base = pair_within(person, face, edited, values)
    moved = pair_within(person, face, edited, values + 100 * generator.normal(size=16)[face])
    assert base.adjusted
    assert np.allclose(base.values, moved.values)
    assert pair_within(person, face, edited, values + edited).values.mean() == pytest.approx(base.values.mean() + 1)


def test_faces_of_one_variant_are_left_out_or_reported() -> None:
    person, face, edited, values = draw(4, np.random.default_rng(3))
    seen = (face > 0) | (person % 2 == 0)
    paired = pair_within(person[seen], face[seen], edited[seen], values[seen])
    assert paired.adjusted
    assert paired.left_out == 2
    one = person % 2 == 0
    alone = pair_within(person[one], face[one], edited[one], values[one])
    assert not alone.adjusted
    assert len(alone.values) == 2
    assert compare_crossed(person[one], face[one], edited[one], values[one]) is None


def test_maps_are_paired_as_numbers_are() -> None:
    person, face, edited, values = draw(6, np.random.default_rng(4))
    maps = np.stack([values, 2 * values], axis=1)[:, None]
    single = pair_within(person, face, edited, values).values
    assert np.allclose(pair_within(person, face, edited, maps).values, np.stack([single, 2 * single], axis=1)[:, None])


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_levels_and_coverage(slope: float) -> None:
    """The test over both holds its level where effects vary between faces; the one over participants does without."""
    generator = np.random.default_rng(5)
    studies = 300
    flips, crossed, covered = 0, 0, 0
    for study in range(studies):
        person, face, edited, values = draw(10, generator, 1.0, slope)
        null = values - np.where(edited, 0.5, -0.5)
        flips += flip_signs(pair_within(person, face, edited, null).values, study) < 0.05
        test = compare_crossed(person, face, edited, values)
        assert test is not None
        covered += test.low <= 1 <= test.high
        other = compare_crossed(person, face, edited, null)
        assert other is not None
        crossed += other.p < 0.05
    assert crossed / studies < 0.09
    assert covered / studies > 0.91
    if not slope:
        assert 0.02 < flips / studies < 0.09
