from __future__ import annotations

import numpy as np
import pytest

from core.errors import DirectionError
from editing.condition_directions import fit_by_condition


def unit(*entries: float) -> np.ndarray:  # type: ignore[type-arg]
    vector = np.zeros(30)
    vector[: len(entries)] = entries
    return vector / np.linalg.norm(vector)


def test_a_condition_with_few_examples_leans_on_the_others() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1040, 30))
    conditions = np.array(["unaffected"] * 1000 + ["WS"] * 40)
    labels = x @ unit(1) + 0.3 * rng.standard_normal(1040) > 0
    found = fit_by_condition(x, labels, conditions, name="smile", origin={"generator": "g"})
    assert found.shares["WS"] > 0
    assert found.gains["WS"] > 0.05
    assert found.conditions["WS"].vector.numpy() @ unit(1) > 0.9
    assert found.conditions["WS"].name == "smile of WS"
    assert (found.conditions["WS"].positive, found.conditions["WS"].negative) == (
        labels[1000:].sum(),
        (~labels[1000:]).sum(),
    )
    assert found.pooled.name == "smile"


def test_a_condition_that_shows_it_otherwise_keeps_its_own() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2000, 30))
    conditions = np.array(["unaffected", "WS"] * 1000)
    truth = np.where(conditions == "WS", x @ unit(0, 1), x @ unit(1))
    found = fit_by_condition(x, truth > 0, conditions)
    assert found.shares["WS"] == found.shares["unaffected"] == 0
    assert found.gains == {"WS": 0, "unaffected": 0}
    assert found.conditions["WS"].vector.numpy() @ unit(0, 1) > 0.97
    assert found.conditions["WS"].accuracy > 0.95 > found.pooled.accuracy


def test_a_condition_of_one_class_is_refused() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((200, 30))
    conditions = np.array(["unaffected"] * 150 + ["WS"] * 50)
    labels = (x[:, 0] > 0) | (conditions == "WS")
    with pytest.raises(DirectionError, match="smile of WS: 50 examples with and 0 without"):
        fit_by_condition(x, labels, conditions, name="smile")
    with pytest.raises(DirectionError, match="one a latent"):
        fit_by_condition(x, labels, conditions[:3], name="smile")
