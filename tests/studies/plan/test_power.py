from __future__ import annotations

from collections.abc import Sequence

import pytest

from core.errors import ConfigError, DatasetError
from studies.answers.exclusions import ExclusionRules
from studies.answers.table import Answer
from studies.plan.power import Power, estimate_power, find_participants
from studies.plan.power_plot import plot_power
from studies.plan.preregistration import StudyPlan, format_sheet
from studies.plan.simulate import Effects
from studies.plan.study_design import PATEL

EFFECT = Effects(variants={"edited": -1.0}, participant_sd=0, face_sd=0)


def reject_many_errors(answers: Sequence[Answer]) -> float:
    """Return a p that is small if the edited pictures are judged wrong more often than right; refuse few answers."""
    if len(answers) < 10 * 32:
        raise DatasetError("few")
    edited = [answer.correct for answer in answers if answer.variant == "edited"]
    return sum(edited) / len(edited) - 0.40


def test_power_is_the_share_of_studies_in_which_the_test_rejects() -> None:
    powers = list(estimate_power(PATEL, EFFECT, [4, 12, 40], reject_many_errors, studies=10, level=0.03))
    assert [power.participants for power in powers] == [4, 12, 40]
    assert powers[0] == Power(4, 10, 0, 10)
    assert 0 < powers[1].share < 1
    assert powers[2].share > powers[1].share
    assert find_participants(powers, powers[2].share) == 40
    assert find_participants(powers[:1], 0.5) is None
    assert powers == list(estimate_power(PATEL, EFFECT, [4, 12, 40], reject_many_errors, studies=10, level=0.03))


def test_intervals_say_how_exactly_the_power_is_known() -> None:
    low, high = Power(10, 100, 80, 0).interval
    assert (low, high) == pytest.approx((0.711, 0.867), abs=0.001)
    assert Power(10, 100, 100, 0).interval[1] <= 1


def test_no_studies_are_refused() -> None:
    with pytest.raises(ConfigError):
        list(estimate_power(PATEL, EFFECT, [], reject_many_errors))


def test_the_sheet_states_what_was_assumed_and_found() -> None:
    powers = (Power(20, 200, 100, 0), Power(40, 200, 170, 0))
    rules = ExclusionRules(images=30, least_seconds=1.5)
    sheet = format_sheet(StudyPlan(PATEL, EFFECT, powers, rules, 0.05, 0.8, 7, "1.0"))
    for text in (
        "-1.00",
        "| 40 | 0.85 |",
        "40 participants",
        "1.5 s",
        "30 images",
        "| Noonan |",
        "diagnosis",
        "e-mail",
        "dates",
        "twice",
    ):
        assert text in sheet
    assert plot_power(powers, 0.8).startswith(b"\x89PNG")
