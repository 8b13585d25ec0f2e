"""Drawing phantoms, on one core."""

from __future__ import annotations

import cv2
import numpy as np

from benchmarks.timing import images_per_s, show
from faces.phantom import draw, random_phantom


def main() -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    people = [random_phantom(rng) for _ in range(20)]

    def make(size: int) -> int:
        for person in people:
            draw(person, size)
        return len(people)

    sizes = (64, 128, 256)
    show("phantoms, one core", images_per_s({f"{s} px": lambda s=s: make(s) for s in sizes}, rounds=3))  # type: ignore[misc]
