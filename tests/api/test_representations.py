"""Answers of the service about results without a verdict."""

from __future__ import annotations

from dataclasses import asdict

from api.representations import describe_quality
from inversion.quality import Quality


def test_a_result_says_whether_it_could_be_judged() -> None:
    unjudged, good = describe_quality(asdict(Quality(0.1))), describe_quality(asdict(Quality(0.1, verdict="good")))
    assert (unjudged.judged, unjudged.verdict) == (False, None)
    assert (good.judged, good.verdict) == (True, "good")
