"""The verdict of a soak."""

from __future__ import annotations

import pytest

from benchmarks.load.soak import Sample, measure_slope


@pytest.mark.parametrize(("mb_an_hour", "flat"), [(-50, True), (0, True), (2, True), (20, False)])
def test_what_grows_is_not_flat(mb_an_hour: float, flat: bool) -> None:
    samples = [Sample(at_s, 100 + (at_s % 3) + mb_an_hour * at_s / 3600, 30, 20) for at_s in range(0, 7200, 60)]
    slope, verdict = measure_slope(samples, lambda one: one.rss_mb)
    assert slope == pytest.approx(mb_an_hour, abs=0.1)
    assert verdict is flat
