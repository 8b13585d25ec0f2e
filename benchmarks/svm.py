"""The fit of a direction: `editing.svm` against `SVC(kernel="linear")`, which the published code uses, on one data set.

Latents are correlated and of unequal variance, as a mapping network's are; labels are those of a hidden direction, some
of them wrong, as scores of expressions are.
"""

from __future__ import annotations

import time

import numpy as np
from sklearn.svm import SVC

from editing.svm import hyperplane

LATENTS, DIMENSIONS = 20_000, 512
NOISE = 0.25
"""Of the score that is cut into labels, in its standard deviations: one label in twelve is wrong."""


def main() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(LATENTS, DIMENSIONS)) * np.geomspace(1, 0.1, DIMENSIONS)
    w = w @ np.linalg.qr(rng.normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    score = w @ rng.normal(size=DIMENSIONS)
    positive = score / score.std() + NOISE * rng.normal(size=LATENTS) > 0
    began = time.perf_counter()
    ours, _ = hyperplane(w, positive)
    ours_s = time.perf_counter() - began
    print(f"{LATENTS} latents of {DIMENSIONS} dimensions, {positive.mean():.0%} with the attribute")
    print(f"  editing.svm           {ours_s:8.1f} s", flush=True)
    began = time.perf_counter()
    published = SVC(kernel="linear", class_weight="balanced", cache_size=1_000).fit(w, positive)
    published_s = time.perf_counter() - began
    theirs = published.coef_[0] / np.linalg.norm(published.coef_)
    print(f"  SVC(kernel='linear')  {published_s:8.1f} s   x {published_s / ours_s:.1f}; cosine {theirs @ ours:.5f}")


if __name__ == "__main__":
    main()
