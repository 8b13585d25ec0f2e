"""Time of the service, which does not jump when the machine's clock is set.

It is the time that the clock showed when the process started, plus the time that has passed since, suspension of the
machine included. So photographs are kept as long as promised, and keys are valid as long, while the clock is set by
hours. A process that is started again begins at the clock's time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

_ELAPSED: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Clock that nobody can set; that of Linux counts on while the machine is suspended."""

_START_NS: Final = time.time_ns() - time.clock_gettime_ns(_ELAPSED)


def now_ms() -> int:
    """Return the Unix time in milliseconds."""
    return _now_ns() // 1_000_000


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.fromtimestamp(_now_ns() / 1e9, UTC)


def lead_s() -> float:
    """Return by how many seconds the machine's clock was set forward since the process started; negative for back."""
    return (time.time_ns() - _now_ns()) / 1e9


def _now_ns() -> int:
    return _START_NS + time.clock_gettime_ns(_ELAPSED)
