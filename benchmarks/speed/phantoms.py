"""Drawing of phantoms on one core; nothing published does the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np

from benchmarks.harness.comparing import MeasurementPlan, Subject, compare_ways
from benchmarks.harness.entries import BenchmarkEntry
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import random_phantom

SIZES: Final = (64, 128, 256)
COUNT: Final = 20


def measure(plan: MeasurementPlan) -> Iterator[BenchmarkEntry]:
    rng = np.random.default_rng(0)
    people = [random_phantom(rng) for _ in range(COUNT)]

    def make(size: int) -> None:
        for person in people:
            draw_phantom(person, size)

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        for size in SIZES:
            subject = Subject(f"phantoms-{size}", 1, units=COUNT)
            yield from compare_ways(subject, {("ours", "uint8"): lambda size=size: make(size)}, plan, 4)  # type: ignore[misc]
    finally:
        cv2.setNumThreads(threads)
