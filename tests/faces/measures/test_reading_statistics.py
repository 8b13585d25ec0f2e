"""What evaluation counts, on readings whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.errors import ConfigError
from faces.measures.reading_statistics import accuracy, drift, neighbours, response, spread


def places(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_accuracy_counts_names_not_places() -> None:
    """The oracle may know more conditions than the generator, in another order."""
    found = accuracy(places(0, 0, 1, 1), places(2, 0, 1, 1), ("a", "b"), ("c", "b", "a"))
    assert found.overall == 0.75
    assert found.by_class == (0.5, 1.0)
    assert found.confusion == ((1, 0, 1), (0, 2, 0))
    assert math.isnan(accuracy(places(0), places(0), ("a", "b"), ("a", "b")).by_class[1])
    with pytest.raises(ConfigError, match="0 labels and 0 readings"):
        accuracy(places(), places(), ("a",), ("a",))


def test_a_person_without_an_order_counts_as_no_correlation() -> None:
    rows = np.log([[0.1, 0.2, 0.3, 0.4, 0.9], [0.9, 0.4, 0.3, 0.2, 0.1], [0.1, 0.1, 0.1, 0.1, 0.1]])
    found = response(np.arange(5.0), rows)
    assert (found.rising, found.correlation) == (1 / 3, 0)


def test_drift_is_what_a_hand_computes() -> None:
    """Two people of a condition at -1 and 1, each moving by ±0.1 around themselves in both entries."""
    moves = np.array([-0.1, 0.1])[:, None] * np.ones(2)
    people = np.stack([moves - 1, moves + 1])
    found = drift(people, places(0, 0))
    assert found.within == pytest.approx(math.sqrt(2 * 0.1**2))  # divided by steps - 1
    assert found.between == pytest.approx(math.sqrt(2))  # (1² + 1²) / (2 - 1) in each entry
    assert found.ratio == pytest.approx(0.1)


def test_drift_does_not_take_conditions_for_people() -> None:
    """What sets conditions apart is no spread between people."""
    rng = np.random.default_rng(0)
    who = rng.standard_normal((60, 1, 4)) + 0.1 * rng.standard_normal((60, 5, 4))
    conditions = np.arange(60) % 3
    moved = who + 100.0 * conditions[:, None, None]
    assert drift(moved, conditions).ratio == pytest.approx(drift(who, conditions).ratio)
    assert drift(who, conditions).ratio == pytest.approx(0.1, rel=0.15)
    with pytest.raises(ConfigError, match="two people of one condition"):
        drift(who[:3], conditions[:3])


def test_response_counts_people_who_rise() -> None:
    weights = np.array([0, 0.25, 0.5, 0.75, 1])
    chances = np.array(
        [
            [0.01, 0.2, 0.5, 0.8, 0.99],  # every step upwards
            [0.01, 0.5, 0.2, 0.8, 0.99],  # one pair of neighbours the wrong way
            [0.2, 0.01, 0.8, 0.5, 0.99],  # two
            [0.99, 0.8, 0.5, 0.2, 0.01],
        ]
    )
    found = response(weights, np.log(chances))
    assert found.rising == 0.5
    assert found.strictly_rising == 0.25
    assert found.correlation == pytest.approx((1 + 0.9 + 0.8 - 1) / 4)
    np.testing.assert_allclose(found.probability, chances.mean(axis=0))


def test_response_sees_what_rounding_to_one_would_hide() -> None:
    """Log-probabilities of 1 - 1e-12, 1 - 1e-13 … rise, though float32 has one number for all of them."""
    logs = np.log1p(-np.array([[0.5, 1e-11, 1e-12, 1e-13, 1e-14]]))
    assert response(np.array([0, 0.25, 0.5, 0.75, 1]), logs).strictly_rising == 1


def test_spread_is_relative_within_cells() -> None:
    rng = np.random.default_rng(0)
    real, cells = rng.standard_normal((4_000, 3)), np.arange(4_000) % 2
    halved = 0.5 * rng.standard_normal((4_000, 3)) + 7.0 * cells[:, None]  # far apart between the cells
    halved[cells == 1] *= 0.5
    found = spread(halved, cells, real, cells, 3)
    np.testing.assert_allclose(found.ratio[:2], [0.5, 0.25], rtol=0.05)
    assert math.isnan(found.ratio[2])
    assert found.mean == pytest.approx(0.375, rel=0.05)
    assert found.least == found.ratio[1]
    with pytest.raises(ConfigError, match="two generated and two real images"):
        spread(halved[:1], cells[:1], real, cells, 2)


def test_neighbours_tell_copies_from_new_faces() -> None:
    held_out = np.linspace(1, 2, 1_001)
    assert neighbours(held_out, held_out).ratio == 1
    assert neighbours(held_out, held_out).nearer == pytest.approx(0.01, abs=0.001)
    copies = neighbours(np.where(np.arange(100) < 30, 0.0, 1.5), held_out)
    assert copies.nearer == 0.3
    assert neighbours(np.full(10, 0.15), held_out).ratio == pytest.approx(0.1)
