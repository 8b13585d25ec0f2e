"""Plot of the power of a study by the number of participants."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib.figure import Figure

from studies.plan.power import Power


def plot_power(powers: Sequence[Power], target: float) -> bytes:
    """Plot the power with the interval of the simulation, and the power to reach; returns PNG."""
    figure = Figure(figsize=(6.4, 4.0), dpi=110, layout="constrained", facecolor="white")
    axes = figure.subplots()
    counts = [power.participants for power in powers]
    shares = [power.share for power in powers]
    low, high = zip(*(power.interval for power in powers), strict=True)
    axes.fill_between(counts, low, high, color="#2b6cb0", alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(counts, shares, marker="o", color="#2b6cb0", label="share of simulated studies that find the effect")
    axes.axhline(target, color="#c05621", linestyle=":", label=f"target {target:g}")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("participants")
    axes.set_ylabel("power")
    axes.set_xticks(counts)
    axes.grid(color="#e2e8f0")
    axes.legend(loc="lower right", frameon=False)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()
