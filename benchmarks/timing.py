"""Timing functions in turn, so that a drift of the machine's speed touches all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def images_per_s(variants: Mapping[str, Callable[[], int]], rounds: int = 5) -> dict[str, float]:
    """Median rate of each variant, a function that makes images and returns how many; one warm-up round."""
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, make in variants.items():
            began = time.perf_counter()
            images = make()
            rates[name].append(images / (time.perf_counter() - began))
    return {name: statistics.median(measured[1:]) for name, measured in rates.items()}


def show(title: str, rates: Mapping[str, float]) -> None:
    """A table, each rate beside its ratio to the first."""
    first = next(iter(rates.values()))
    print(f"\n{title}")
    for name, rate in rates.items():
        print(f"  {name:<28} {rate:9.1f} images/s   x {rate / first:.2f}")
