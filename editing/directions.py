"""Directions in latent space: the unit normal of the hyperplane that separates latents with an attribute from those
without (InterfaceGAN, Shen et al. 2020), with what says how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.errors import DirectionError
from editing.svm import Flags, Floats, fit_hyperplane

LEAST_EXAMPLES: Final = 10
"""Fewest examples of either class from which a direction is fitted."""

WEAK_ACCURACY: Final = 0.8
"""A direction that is right less often is flagged."""

_BEFORE: Final = "its accuracy is that before other directions were taken out"

_WEAK: Final = "tells only"

_LEFT_OVER: Final = 1e-3
"""Shortest rest of a unit vector after other directions are taken out; a shorter one is rounding."""


@dataclass(frozen=True)
class Direction:
    """A unit vector along which an attribute grows, and what is known of it.

    Attributes:
        vector: (d,) float32, unit length: the normal of the hyperplane.
        name: of the attribute.
        offset: the hyperplane is at w·vector = offset.
        accuracy: balanced share of latents on the right side of the hyperplane, of folds that it was not fitted on;
            None where it was not measured, of a direction that was fitted elsewhere.
        interval: 95 % interval of the accuracy.
        positive, negative: examples of either class that it was fitted on.
        spread: standard deviation of all latents along what they are moved along: the natural unit of a strength.
        seed: of the folds.
        flags: what speaks against using it, in words; empty for one that can be trusted.
        independent: names of the directions that were taken out of it.
        origin: generator and data that it was fitted on, by name.
        pattern: (d,) float32, unit length, along which latents are moved (`editing.patterns`); None moves them along
            the vector, as InterfaceGAN does. A direction in W+ has (num_ws, d), a row for each layer, and its vector is
            their mean.
        layers: places among the latents' rows where it changes its attribute most for what else it changes
            (`editing.entanglement.choose_layers`); empty where that was not measured.
    """

    vector: Tensor
    name: str
    offset: float
    accuracy: float | None
    interval: tuple[float, float] | None
    positive: int
    negative: int
    spread: float
    seed: int = 0
    flags: tuple[str, ...] = ()
    independent: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    pattern: Tensor | None = None
    layers: tuple[int, ...] = ()

    @property
    def attribute(self) -> str:
        """Attribute that grows along the direction: "smile" of "smile of WS"."""
        return self.name.partition(" of ")[0]

    def with_pattern(self, pattern: Tensor, w: Tensor | Floats) -> Direction:
        """Return this direction with a pattern (d,) of any length; latents (n, d) give the spread along it."""
        unit = pattern / pattern.norm()
        return replace(self, pattern=unit.float(), spread=float((flatten_latents(w) @ unit.double().numpy()).std()))

    def move(self, w: Tensor, strength: float | Tensor) -> Tensor:
        """Move latents (…, d) by a number of units: w + strength·pattern, or ·vector if there is no pattern.

        Latents that a direction in W+ moves are (n, num_ws, d).

        Args:
            strength: one for all, or one of each latent (n,) for latents (n, num_ws, d).
        """
        if isinstance(strength, Tensor):
            strength = strength.reshape(-1, *[1] * (w.ndim - 1)).to(w)
        return w + strength * (self.vector if self.pattern is None else self.pattern).to(w)

    def position(self, w: Tensor) -> Tensor:
        """Return the position (…) of latents (…, d) along the vector: 0 on the hyperplane, above it positive."""
        return w @ self.vector.to(w) - self.offset

    def place(self, w: Tensor, positions: Tensor) -> Tensor:
        """Place one latent (d,) at positions (n,) along the vector, measured from the origin, as InterfaceGAN does:
        (n, d)."""
        vector = self.vector.to(w)
        return w + (positions.to(w) - w @ vector)[:, None] * vector

    def with_accuracy(self, accuracy: float, interval: tuple[float, float]) -> Direction:
        """Return this direction with a measured accuracy, and flags if the accuracy is low."""
        flags = [flag for flag in self.flags if flag != _BEFORE and not flag.startswith(_WEAK)]
        if interval[0] <= 0.5:
            flags.append(f"{_WEAK} {accuracy:.0%} of unseen latents apart, which could be chance")
        elif accuracy < WEAK_ACCURACY:
            flags.append(f"{_WEAK} {accuracy:.0%} of unseen latents apart")
        return replace(self, accuracy=accuracy, interval=interval, flags=tuple(flags))

    def independent_of(self, *others: Direction | Tensor) -> Direction:
        """Return this direction without the span of others, scaled to unit length again.

        It moves latents along what is left of its vector. The accuracy is no longer its own, and is flagged so until it
        is measured anew (`remeasure`).

        Args:
            others: directions, or vectors (d,).

        Raises:
            DirectionError: vectors of another size, or nothing is left.
        """
        if not others:
            return self
        vectors = [other.vector if isinstance(other, Direction) else other for other in others]
        names = [other.name if isinstance(other, Direction) else "a vector" for other in others]
        if wrong := [vector.shape for vector in vectors if vector.shape != self.vector.shape]:
            raise DirectionError(f"a vector is {tuple(wrong[0])}; expected {tuple(self.vector.shape)}, as {self.name}")
        span = torch.linalg.qr(torch.stack(vectors, dim=1).double()).Q
        own = self.vector.double()
        left = own - span @ (span.T @ own)
        size = left.norm().item()
        if size < _LEFT_OVER:
            raise DirectionError(f"{self.name} lies in the span of {', '.join(names)}: nothing is left without them")
        known = (*self.independent, *(name for name in names if name not in self.independent))
        return replace(
            self,
            vector=(left / size).float(),
            spread=self.spread * size,
            independent=known,
            pattern=None,
            flags=tuple(dict.fromkeys([*self.flags, _BEFORE])),
        )


def fit(
    w: Tensor | Floats,
    labels_or_scores: Tensor | npt.NDArray[Any],
    *,
    name: str = "direction",
    extremes: float | None = None,
    threshold: float | None = None,
    C: float = 1.0,
    folds: int = 5,
    seed: int = 0,
    origin: Mapping[str, Any] | None = None,
) -> Direction:
    """Fit the direction that separates latents by an attribute: a linear SVM with balanced classes, cross-validated.

    Args:
        w: latents (n, d), or (n, num_ws, d) with all rows of a latent equal, as the generator maps them.
        labels_or_scores: (n,) true labels, 0 and 1 or bool, or scores. Scores are never cut silently: say how.
        extremes: take this share of the latents from either end of the scores, (0, 0.5], and leave the middle out.
        threshold: of the scores; above it the attribute is there.
        C: of the SVM; 1 as published. Less steadies a direction that few examples, or noisy ones, leave open.
        folds: of the cross-validation.
        seed: of the folds; the direction itself draws nothing.
        origin: where the latents are from.

    Raises:
        DirectionError: labels that are no labels, one class missing, too few examples, or an accuracy that could be
            chance.
    """
    from sklearn.model_selection import StratifiedKFold  # takes 3 seconds, and a service fits no direction

    latents = flatten_latents(w)
    chosen, positive = _classes(np.asarray(labels_or_scores), len(latents), extremes, threshold)
    x = latents[chosen]
    counts = int(positive.sum()), int((~positive).sum())
    if min(counts) < max(LEAST_EXAMPLES, folds):
        raise DirectionError(
            f"{name}: {counts[0]} examples with and {counts[1]} without; expected {max(LEAST_EXAMPLES, folds)} or more "
            "of either: bring more, or look whether the labels are right"
        )
    right = np.zeros(len(x), dtype=bool)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for train, test in parts.split(x, positive):
        vector, offset = fit_hyperplane(x[train], positive[train], C)
        right[test] = (x[test] @ vector > offset) == positive[test]
    accuracy, interval = measure_accuracy(right, positive)
    if interval[0] <= 0.5:
        raise DirectionError(
            f"{name}: {accuracy:.0%} of unseen latents are told apart (95 % interval {interval[0]:.0%} to "
            f"{interval[1]:.0%}), which could be chance; bring more examples, or look whether the labels are right"
        )
    vector, offset = fit_hyperplane(x, positive, C)
    spread = float((latents @ vector).std())
    tensor = torch.from_numpy(vector).float()
    found = Direction(tensor, name, offset, accuracy, interval, *counts, spread, seed, origin=origin or {})
    return found.with_accuracy(accuracy, interval)


def remeasure(direction: Direction, w: Tensor | Floats, labels: Tensor | npt.NDArray[Any], folds: int = 5) -> Direction:
    """Measure the accuracy and the offset of a direction on labelled latents, cross-validated.

    For one that others were taken out of, or that was fitted elsewhere.

    Args:
        w: latents (n, d), or (n, num_ws, d) with all rows equal, that the vector was not fitted on: only the offset is
            cross-validated here.
        labels: (n,) true labels, 0 and 1 or bool.

    Raises:
        DirectionError: as `fit`, but for an accuracy that could be chance: that is flagged here.
    """
    from sklearn.model_selection import StratifiedKFold  # takes 3 seconds, and a service fits no direction

    latents = flatten_latents(w)
    positive = check_labels(np.asarray(labels), len(latents))
    if (fewest := min(positive.sum(), (~positive).sum())) < folds:
        raise DirectionError(
            f"{direction.name}: {fewest} unseen examples of one class to measure it on; expected {folds} or more of "
            "either: bring more"
        )
    along = latents @ direction.vector.double().numpy()
    right = np.zeros(len(along), dtype=bool)
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=direction.seed).split(along, positive):
        right[test] = (along[test] > find_midpoint(along[train], positive[train])) == positive[test]
    measured = replace(
        direction,
        offset=find_midpoint(along, positive),
        positive=int(positive.sum()),
        negative=int((~positive).sum()),
        spread=float(along.std()),
    )
    return measured.with_accuracy(*measure_accuracy(right, positive))


def find_midpoint(along: Floats, positive: Flags) -> float:
    """Return the best threshold on a line: halfway between the means of both classes."""
    return float((along[positive].mean() + along[~positive].mean()) / 2)


def measure_accuracy(right: Flags, positive: Flags) -> tuple[float, tuple[float, float]]:
    """Return the balanced accuracy and its 95 % interval (Agresti and Coull 1998, for each class)."""
    shares, variance, centre = [], 0.0, 0.0
    for part in (right[positive], right[~positive]):
        shares.append(part.mean())
        smoothed = (part.sum() + 2) / (len(part) + 4)
        centre += smoothed / 2
        variance += smoothed * (1 - smoothed) / (len(part) + 4) / 4
    half = 1.96 * math.sqrt(variance)
    return float(np.mean(shares)), (max(centre - half, 0.0), min(centre + half, 1.0))


def flatten_latents(w: Tensor | npt.NDArray[Any]) -> Floats:
    """Return latents as (n, d) float64."""
    latents = np.asarray(w.detach().cpu() if isinstance(w, Tensor) else w, dtype=np.float64)
    if latents.ndim == 3:
        if not np.array_equal(latents, np.broadcast_to(latents[:, :1], latents.shape)):
            raise DirectionError("latents differ from layer to layer; a direction is fitted in W: take one layer's")
        latents = latents[:, 0]
    if latents.ndim != 2 or not np.isfinite(latents).all():
        raise DirectionError(f"latents are {latents.shape}; expected finite numbers (n, d) or (n, num_ws, d)")
    return latents


def check_labels(labels: npt.NDArray[Any], count: int) -> Flags:
    """Return true labels (n,) as flags; raise as `fit` unless there are examples of both classes."""
    return _classes(labels, count, None, None)[1]


def _classes(
    values: npt.NDArray[Any], count: int, extremes: float | None, threshold: float | None
) -> tuple[npt.NDArray[np.int64], Flags]:
    """Return which latents are examples, and which of them have the attribute."""
    if values.shape != (count,) or not np.isfinite(values.astype(np.float64)).all():
        raise DirectionError(f"labels or scores are {values.shape}; expected {(count,)} finite numbers, one a latent")
    if extremes is not None and threshold is not None:
        raise DirectionError("extremes and threshold exclude each other; give one of them")
    if extremes is not None:
        return _both_ends(values, extremes)
    if threshold is None and not np.isin(values, (0, 1)).all():
        raise DirectionError(
            f"scores between {values.min():.3g} and {values.max():.3g} are no labels; say which are examples of what: "
            "threshold=0.5, or extremes=0.3 for 30 % from either end"
        )
    positive = values > (0.5 if threshold is None else threshold)
    if positive.all() or not positive.any():
        raise DirectionError(f"all {count} latents are of one class; a direction needs examples of both")
    return np.arange(count), positive


def _both_ends(scores: npt.NDArray[Any], share: float) -> tuple[npt.NDArray[np.int64], Flags]:
    if not 0 < share <= 0.5:
        raise DirectionError(f"extremes is {share}; expected a share in (0, 0.5], that of either end")
    each = int(len(scores) * share)
    order = np.argsort(scores, kind="stable")
    low, high = order[:each], order[len(order) - each :]
    if each and scores[low[-1]] >= scores[high[0]]:
        raise DirectionError(
            f"the lowest and the highest {share:.0%} of the scores meet in ties at {scores[high[0]]:.3g}: some latents "
            "of one value would be examples of both; labels are given without extremes, scores with a smaller share"
        )
    return np.concatenate([high, low]), np.arange(2 * each) < each
