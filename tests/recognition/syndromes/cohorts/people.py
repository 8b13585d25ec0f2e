"""Invented people, a cheap estimator and a check of p-values for the tests of cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from recognition.syndromes.cohorts.person import Person


def make_people(
    ages: Sequence[float], syndrome: str | None = None, *, sex: str = "female", ancestry: str = "A"
) -> list[Person]:
    """Make a person of each age, named by syndrome and number."""
    name = f"{syndrome or 'control'}-{sex}-{ancestry}"
    return [Person(f"{name}-{at}", f"{name}-{at}.png", syndrome, sex, ancestry, age) for at, age in enumerate(ages)]


class Neighbours(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Share of patients among the three nearest neighbours."""

    def fit(self, X: Any, y: Any) -> Neighbours:
        self.classes_ = np.unique(y)
        self.faces_ = X, y
        return self

    def predict_proba(self, X: Any) -> Any:
        known, y = self.faces_
        nearest = np.linalg.norm(X[:, None] - known, axis=-1).argsort(axis=1)[:, :3]
        return np.stack([1 - y[nearest].mean(axis=1), y[nearest].mean(axis=1)], axis=1)


def check_uniform(p_values: Sequence[float]) -> None:
    """Check that p-values are uniform, or a little larger where they take few values."""
    values = np.array(p_values)
    for level in (0.05, 0.125, 0.25, 0.5, 0.75):
        error = float(np.sqrt(level * (1 - level) / len(values)))
        share = (values <= level + 1e-9).mean()
        assert share <= level + 3 * error, level
        assert share >= level - 3 * error - 0.06, level
