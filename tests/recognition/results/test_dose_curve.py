"""Gains against the number of images: their values, who chooses the size, and what the report says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError
from recognition.predictions import Predictions
from recognition.results.dose_curve import (
    CurvePoint,
    SizedRun,
    measure_gain,
    measure_point,
    recommend_size,
    select_choosing_half,
    still_helps,
)
from recognition.results.dose_report import DoseReport, write_dose_report
from recognition.statistics import Interval, Sampling, measure_mean_over_conditions

QUICK = Sampling(resamples=200)
CLASSES = ("WS", "unaffected")


def predictions(right: list[bool], truths: list[int], persons: list[str] | None = None) -> Predictions:
    """One image for each entry, of a person of its own unless they are named."""
    n = len(right)
    chosen = [truth if good else 1 - truth for good, truth in zip(right, truths, strict=True)]
    return Predictions(
        CLASSES,
        keys=tuple(f"{index:064x}" for index in range(n)),
        persons=tuple(persons or (f"p{index}" for index in range(n))),
        truths=np.array(truths, dtype=np.int64),
        age_groups=(None,) * n,
        probabilities=np.eye(2)[chosen],
        undecided=np.zeros(n, dtype=bool),
    )


def point(times: float, choosing: float, *, kind: str = "unrelated", confirming: float = 0.1) -> CurvePoint:
    interval = Interval(confirming, confirming - 0.05, confirming + 0.05)
    return CurvePoint(kind, times, 100 * times, Interval(0.7, 0.6, 0.8), interval, (confirming,), choosing, interval)


def test_the_gain_weighs_conditions_equally() -> None:
    truths = [0] * 2 + [1] * 8
    before = predictions([False] * 2 + [True] * 8, truths)
    after = predictions([True, False] + [True] * 8, truths)
    gain = measure_gain(before, after, QUICK)
    means = [measure_mean_over_conditions(run, QUICK).value for run in (before, after)]
    assert gain.value == pytest.approx(means[1] - means[0]) == pytest.approx(0.25)
    assert gain.low < gain.value < gain.high


def test_every_other_person_of_each_condition_chooses_with_all_images() -> None:
    truths = [0] * 8 + [1] * 8
    persons = [f"p{index // 2}" for index in range(16)]
    chosen = select_choosing_half(predictions([True] * 16, truths, persons))
    assert [chosen[:8].sum(), chosen[8:].sum()] == [4, 4]
    assert (chosen[::2] == chosen[1::2]).all()  # both images of a person


def test_a_condition_of_one_person_cannot_choose_and_confirm() -> None:
    with pytest.raises(DatasetError, match="one person of WS"):
        select_choosing_half(predictions([True] * 5, [0, 1, 1, 1, 1]))


def test_seeds_are_pooled_and_stated_one_by_one() -> None:
    truths = [0] * 10 + [1] * 10
    nothing, all_right = predictions([False] * 20, truths), predictions([True] * 20, truths)
    half = predictions([True, False] * 10, truths)
    real = SizedRun("", 0, 0, (nothing, half))
    measured = measure_point(real, SizedRun("unrelated", 2, 40, (half, all_right)), QUICK)
    assert measured.seed_gains == pytest.approx((0.5, 0.5))
    assert measured.gain.value == pytest.approx(0.5)
    assert measured.accuracy.value == pytest.approx(0.75)
    with pytest.raises(DatasetError, match="2 seeds of real faces and 1"):
        measure_point(real, SizedRun("unrelated", 2, 40, (half,)), QUICK)


@pytest.mark.parametrize(
    ("gains", "helps"), [([-0.1], True), ([0.02, 0.05], True), ([0.02, 0.025], False), ([0.05, 0.02, 0.055], False)]
)
def test_a_size_helps_if_it_is_better_than_all_smaller_ones(gains: list[float], helps: bool) -> None:
    assert still_helps([point(2.0**place, gain) for place, gain in enumerate(gains)], 0.01) is helps


def test_the_smallest_size_that_is_nearly_the_best_is_recommended() -> None:
    found = recommend_size([point(0.5, 0.04), point(2, 0.075), point(8, 0.08)], 0.01)
    assert found.point is not None
    assert found.point.times_real == 2
    assert "+10.0 (+5.0 to +15.0)" in found.reason
    assert "largest" not in found.reason


def test_what_was_not_shown_is_said() -> None:
    unsure = recommend_size([point(2, 0.05, confirming=0.02)], 0.01).reason
    assert "do not show that it helps" in unsure
    assert "largest size that was measured" in unsure
    nothing = recommend_size([point(2, 0.005)], 0.01)
    assert nothing.point is None
    assert "No image set" in nothing.reason


def test_the_report_has_curve_table_page_and_numbers(tmp_path: Path) -> None:
    points = [point(0.5, 0.04), point(2, 0.08), point(2, 0.03, kind="<blended>")]
    report = DoseReport(Interval(0.6, 0.5, 0.7), points, recommend_size(points, 0.01), {"<blended>": 2.0}, {"seeds": 1})
    write_dose_report(report, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"dose.json", "dose.csv", "curve.png", "dose.html"}
    with (tmp_path / "dose.csv").open() as file:
        assert [row["times_real"] for row in csv.DictReader(file)] == ["0.5", "2", "2"]
    numbers = json.loads((tmp_path / "dose.json").read_text())
    assert numbers["recommendation"]["point"]["times_real"] == 2
    page = (tmp_path / "dose.html").read_text()
    assert "&lt;blended&gt;: more did not help at 2 times" in page
    assert "<blended>" not in page
    first = (tmp_path / "curve.png").read_bytes()
    write_dose_report(report, tmp_path)
    assert (tmp_path / "curve.png").read_bytes() == first
