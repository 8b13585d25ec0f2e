"""Numbers of the report as text: estimates with their intervals, and p-values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def format_estimate(estimate: Mapping[str, Any] | None) -> str:
    """Format a value with its interval; nothing if there is none."""
    return "" if estimate is None else format_bounds(estimate["value"], estimate["low"], estimate["high"])


def format_bounds(value: float | None, low: float | None, high: float | None) -> str:
    """Format a value with the bounds of its interval, which may be unknown."""
    if value is None or low is None or high is None:
        return format_number(value)
    return f"{format_number(value)} ({format_number(low)} to {format_number(high)})"


def format_number(value: float | None) -> str:
    """Format a number with three digits, or more where it has more before the point."""
    return "" if value is None else f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def format_p(p: float | None) -> str:
    """Format a p-value; nothing if there is none."""
    return "" if p is None or math.isnan(p) else f"{p:.4f}" if p >= 0.0001 else "< 0.0001"
