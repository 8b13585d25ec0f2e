"""Linear support vector machine, solved in the primal by Newton's method (Chapelle 2007).

The hinge loss is rounded off over a width that shrinks to three hundredths of the margin. With many more latents than
dimensions this is exact to a cosine of 0.9999 (tested). scikit-learn's `LinearSVC` does not converge where classes
overlap, and its fast squared hinge is another direction.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_WIDTHS: Final = (0.3, 0.1, 0.03, 0.01)
_STEPS: Final = 50
_BISECTIONS: Final = 20
_STILL: Final = 1e-9
"""A step that lowers the loss by a smaller share ends a width."""


def fit_hyperplane(x: Floats, positive: Flags, C: float = 1.0) -> tuple[Floats, float]:
    """Fit the separating hyperplane: its unit normal (d,) and its offset; positive means x·normal > offset.

    Args:
        x: (n, d).
        positive: (n,), with examples of both classes. Each class weighs as if both had n / 2.
        C: of the loss against the regulariser ‖normal‖² / 2.
    """
    sign = np.where(positive, 1.0, -1.0)
    weight = C * len(x) / 2 / np.where(positive, positive.sum(), (~positive).sum())
    signed = np.column_stack([x, np.ones(len(x))]) * sign[:, None]
    ridge = np.append(np.ones(x.shape[1]), 1e-9)  # the offset is free, but for what keeps the system solvable
    point = np.linalg.solve(np.diag(ridge) + (signed * weight[:, None]).T @ signed, weight @ signed)  # least squares
    for width in _WIDTHS:
        point = _minimise(signed, weight, ridge, point, width)
    size = float(np.linalg.norm(point[:-1]))
    return point[:-1] / size, -float(point[-1]) / size


def _minimise(signed: Floats, weight: Floats, ridge: Floats, point: Floats, width: float) -> Floats:
    """Minimise the loss that is rounded off over margins 1 ± width, starting near its minimum."""
    margin = signed @ point
    loss = _loss(weight, ridge, point, margin, width)
    for _ in range(_STEPS):
        slope = _slope(margin, width)
        curved = np.flatnonzero((slope > 0) & (slope < 1))
        rows = signed[curved]
        hessian = np.diag(ridge) + (rows * (weight[curved] / (2 * width))[:, None]).T @ rows
        step = np.asarray(np.linalg.solve(hessian, (weight * slope) @ signed - ridge * point))
        along = signed @ step
        share = _best_share(weight, ridge, point, step, margin, along, width)
        point, margin, before = point + share * step, margin + share * along, loss
        loss = _loss(weight, ridge, point, margin, width)
        if loss >= before * (1 - _STILL):
            break
    return point


def _best_share(
    weight: Floats, ridge: Floats, point: Floats, step: Floats, margin: Floats, along: Floats, width: float
) -> float:
    """Return the share of a step at which the loss, convex along it, stops falling; at most twice the step."""
    low, high = 0.0, 2.0
    for _ in range(_BISECTIONS):
        share = (low + high) / 2
        falls = (ridge * (point + share * step)) @ step < (weight * _slope(margin + share * along, width)) @ along
        low, high = (share, high) if falls else (low, share)
    return (low + high) / 2


def _slope(margin: Floats, width: float) -> Floats:
    """Return the slope of the loss of each example: 0 above a margin of 1, rising around it, 1 below."""
    return np.clip((1 - margin + width) / (2 * width), 0, 1)


def _loss(weight: Floats, ridge: Floats, point: Floats, margin: Floats, width: float) -> float:
    short = 1 - margin
    value = np.where(short > width, short, width * _slope(margin, width) ** 2)
    return float((ridge * point**2).sum() / 2 + (weight * value).sum())
