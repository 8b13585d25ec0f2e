"""A linear support vector machine, solved in the primal by Newton's method (Chapelle 2007).

The hinge loss is rounded off over a width that shrinks to a hundredth of the margin. With many more latents than
dimensions this is exact to a cosine of 0.9999 (tested). scikit-learn's `LinearSVC` does not converge where classes
overlap, and its fast squared hinge is another direction.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_WIDTHS: Final = (1.0, 0.3, 0.1, 0.03, 0.01)
_STEPS: Final = 50
_STILL: Final = 1e-9
"""A step that lowers the loss by a smaller share ends a width."""


def hyperplane(x: Floats, positive: Flags, C: float = 1.0) -> tuple[Floats, float]:
    """Unit normal (d,) and offset of the separating hyperplane: positive where x·normal > offset.

    Args:
        x: (n, d).
        positive: (n,), with examples of both classes. Each class weighs as if both had n / 2.
        C: of the loss against the regulariser ‖normal‖² / 2.
    """
    sign = np.where(positive, 1.0, -1.0)
    weight = C * len(x) / 2 / np.where(positive, positive.sum(), (~positive).sum())
    signed = np.column_stack([x, np.ones(len(x))]) * sign[:, None]
    ridge = np.append(np.ones(x.shape[1]), 1e-9)  # the offset is free, but for what keeps the system solvable
    point = np.zeros(len(ridge))
    for width in _WIDTHS:
        point = _minimised(signed, weight, ridge, point, width)
    size = float(np.linalg.norm(point[:-1]))
    return point[:-1] / size, -float(point[-1]) / size


def _minimised(signed: Floats, weight: Floats, ridge: Floats, point: Floats, width: float) -> Floats:
    """The minimum of the loss rounded off over margins 1 ± width, from a point near it."""
    loss, gradient, curved = _loss(signed, weight, ridge, point, width)
    for _ in range(_STEPS):
        rows = signed[curved]
        hessian = np.diag(ridge) + (rows * (weight[curved] / (2 * width))[:, None]).T @ rows
        step = np.linalg.solve(hessian, gradient)
        share = 1.0
        while True:
            new = _loss(signed, weight, ridge, point - share * step, width)
            if new[0] < loss or share < 1e-6:
                break
            share /= 2
        if new[0] >= loss * (1 - _STILL):
            break
        point = point - share * step
        loss, gradient, curved = new
    return point


def _loss(
    signed: Floats, weight: Floats, ridge: Floats, point: Floats, width: float
) -> tuple[float, Floats, npt.NDArray[np.int64]]:
    """Value, gradient, and the rows where the loss is curved."""
    short = 1 - signed @ point  # of the margin
    inner = np.clip((short + width) / (2 * width), 0, 1)  # slope: 0, rising, 1
    value = np.where(short > width, short, width * inner**2)
    total = ((ridge * point**2).sum() / 2) + (weight * value).sum()
    return float(total), ridge * point - (weight * inner) @ signed, np.flatnonzero((inner > 0) & (inner < 1))
