"""The machine's clock and the time that passes, as tests set them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Self

import pytest

HOURS: int = 3600


@dataclass
class MachineClock:
    """Offsets of the machine's clocks.

    Attributes:
        set_s: seconds by which somebody set the clock forward.
        passed_s: seconds that passed while the machine was suspended.
    """

    set_s: float = 0
    passed_s: float = 0

    @classmethod
    def install(cls, patch: pytest.MonkeyPatch) -> Self:
        """Return one that this process reads from now on."""
        clock, wall_ns, elapsed_ns = cls(), time.time_ns, time.clock_gettime_ns
        patch.setattr(time, "time_ns", lambda: wall_ns() + int((clock.set_s + clock.passed_s) * 1e9))
        patch.setattr(time, "time", lambda: time.time_ns() / 1e9)
        patch.setattr(time, "clock_gettime_ns", lambda which: elapsed_ns(which) + int(clock.passed_s * 1e9))
        return clock
