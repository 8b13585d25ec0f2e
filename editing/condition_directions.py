"""Directions for each condition, shrunk towards the direction of all conditions if examples are few."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from core.errors import DirectionError
from editing.directions import Direction, check_labels, find_midpoint, fit, flatten_latents, measure_accuracy
from editing.svm import Flags, Floats, fit_hyperplane

SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the pooled direction in that of a condition; the best one is taken."""


@dataclass(frozen=True)
class ConditionDirections:
    """Direction of an attribute for all conditions together, and one for each condition.

    Attributes:
        pooled: fitted on all latents.
        conditions: by name of the condition.
        shares: of the pooled direction in each: 0 where the condition's own examples do best alone.
        gains: by how much the accuracy rose by it, against the condition's examples alone.
    """

    pooled: Direction
    conditions: dict[str, Direction]
    shares: dict[str, float]
    gains: dict[str, float]


def fit_by_condition(
    w: torch.Tensor | Floats,
    labels: torch.Tensor | npt.NDArray[Any],
    conditions: npt.NDArray[np.str_],
    *,
    name: str = "direction",
    C: float = 1.0,
    folds: int = 5,
    seed: int = 0,
    origin: Mapping[str, Any] | None = None,
) -> ConditionDirections:
    """Fit an attribute's direction for every condition and for all of them.

    A condition's direction is the unit sum of its own and the pooled one, whose share is what tells apart most of the
    latents of that condition that neither was fitted on; of equals the smallest.

    Args:
        w: latents (n, d), or (n, num_ws, d) with all rows equal.
        labels: (n,) true labels, 0 and 1 or bool.
        conditions: (n,) names.
        name, C, folds, seed, origin: as `editing.directions.fit`.

    Raises:
        DirectionError: as `fit`, for the pooled direction; and a condition with examples of one class only, or too few
            to say anything of.
    """
    latents = flatten_latents(w)
    positive = check_labels(np.asarray(labels), len(latents))
    if conditions.shape != positive.shape:
        raise DirectionError(f"conditions are {conditions.shape}; expected {positive.shape}, one a latent")
    pooled = fit(latents, positive, name=name, C=C, folds=folds, seed=seed, origin=origin)
    found, shares, gains = {}, {}, {}
    for condition in dict.fromkeys(conditions.tolist()):
        here = conditions == condition
        found[condition], shares[condition], gains[condition] = _fit_condition(
            latents, positive, here, replace(pooled, name=f"{name} of {condition}"), C, folds
        )
    return ConditionDirections(pooled, found, shares, gains)


def _fit_condition(
    latents: Floats, positive: Flags, here: Flags, pooled: Direction, C: float, folds: int
) -> tuple[Direction, float, float]:
    from sklearn.model_selection import StratifiedKFold  # takes 3 seconds, and a service fits no direction

    x, y = latents[here], positive[here]
    if min(y.sum(), (~y).sum()) < folds:
        raise DirectionError(
            f"{pooled.name}: {y.sum()} examples with and {(~y).sum()} without; expected {folds} or more of either: "
            "bring more, or take the direction of all conditions"
        )
    right = np.zeros((len(SHARES), len(x)), dtype=bool)
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=pooled.seed).split(x, y):
        seen = np.ones(len(latents), dtype=bool)
        seen[np.flatnonzero(here)[test]] = False
        own, everyone = fit_hyperplane(x[train], y[train], C)[0], fit_hyperplane(latents[seen], positive[seen], C)[0]
        for place, share in enumerate(SHARES):
            vector = _mix_directions(own, everyone, share)
            right[place, test] = (x[test] @ vector > find_midpoint(x[train] @ vector, y[train])) == y[test]
    measured = [measure_accuracy(one, y) for one in right]
    best = int(np.argmax([accuracy for accuracy, _ in measured]))
    accuracy, interval = measured[best]
    vector = _mix_directions(fit_hyperplane(x, y, C)[0], pooled.vector.double().numpy(), SHARES[best])
    direction = replace(
        pooled,
        vector=torch.from_numpy(vector).float(),
        offset=find_midpoint(x @ vector, y),
        spread=float((x @ vector).std()),
        positive=int(y.sum()),
        negative=int((~y).sum()),
    ).with_accuracy(accuracy, interval)
    return direction, SHARES[best], accuracy - measured[0][0]


def _mix_directions(own: Floats, pooled: Floats, share: float) -> Floats:
    vector = (1 - share) * own + share * pooled
    return np.asarray(vector / np.linalg.norm(vector))
