"""The fit of a direction: `editing.svm` against `SVC(kernel="linear")` of the published code, on the same data.

Latents are correlated and of unequal variance, like those of a mapping network. Labels follow a hidden direction, and
some are wrong, like scores of expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from sklearn.svm import SVC

from benchmarks.harness.comparing import PUBLISHED, MeasurementPlan, Subject, compare_ways
from benchmarks.harness.entries import BenchmarkEntry
from editing.svm import fit_hyperplane

LATENTS: Final = 4_000
ALL_LATENTS: Final = 20_000
"""The published number; the published way takes minutes for it."""

DIMENSIONS: Final = 512
NOISE: Final = 0.25
"""Noise of the score from which labels follow, in its standard deviations: one label in twelve is wrong."""


def measure(plan: MeasurementPlan) -> Iterator[BenchmarkEntry]:
    w, positive = draw_examples(ALL_LATENTS if plan.full else LATENTS)
    normals: dict[str, npt.NDArray[np.float64]] = {}

    def fit_ours() -> None:
        normals["ours"] = fit_hyperplane(w, positive)[0]

    def fit_published() -> None:
        normal = SVC(kernel="linear", class_weight="balanced", cache_size=1_000).fit(w, positive).coef_[0]
        normals["published"] = normal / np.linalg.norm(normal)

    works = {PUBLISHED: fit_published, ("ours", "float64"): fit_ours}
    few = {variant: lambda: fit_hyperplane(w[:200], positive[:200]) for variant in works}
    yield from compare_ways(Subject("direction-fit", len(w), unit="fit"), works, plan, 20, warm_up=few)
    agree = float(normals["published"] @ normals["ours"])
    Console(stderr=True).print(
        f"direction-fit: {len(w)} latents of {DIMENSIONS} dimensions, cosine of both {agree:.5f}"
    )


def draw_examples(count: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Draw latents (count, DIMENSIONS), and whether each has the attribute (count,)."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(count, DIMENSIONS)) * np.geomspace(1, 0.1, DIMENSIONS)
    w = w @ np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    score = w @ rng.normal(size=DIMENSIONS)
    return w, score / score.std() + NOISE * rng.normal(size=count) > 0
