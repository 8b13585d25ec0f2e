from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from core.errors import DirectionError
from editing.survey_plan import Person, plan_survey

COUNTS = {"WS": 7, "22q11DS": 5, "other": 8}
PEOPLE = [Person(f"{group} {at}", group) for group, count in COUNTS.items() for at in range(count)]


def test_every_person_is_seen_once_in_each_version_edited_in_one() -> None:
    planned = plan_survey(PEOPLE, 3)
    shown = {version: [s for s in planned if s.version == version] for version in ("A", "B")}
    for version in shown.values():
        assert [s.order for s in version] == list(range(1, 21))
        assert {s.person for s in version} == set(PEOPLE)
        edited = Counter(s.person.group for s in version if s.edited)
        assert edited["other"] == 4
        assert edited["WS"] in (3, 4)
        assert edited["22q11DS"] in (2, 3)
        assert sum(edited.values()) == 10
    for first, second in zip(*shown.values(), strict=True):
        assert first.person == second.person
        assert first.edited != second.edited


def test_names_say_nothing_and_are_all_different() -> None:
    planned = plan_survey(PEOPLE, 3)
    codes = [s.code for s in planned]
    assert len(set(codes)) == 40
    assert all(len(code) == 8 and set(code) <= set("0123456789abcdef") for code in codes)
    edited = np.array([s.edited for s in sorted(planned, key=lambda s: s.code)])
    assert 0 < np.abs(np.diff(edited)).sum() < 39


def test_the_seed_decides() -> None:
    assert plan_survey(PEOPLE, 3) == plan_survey(PEOPLE, 3)
    assert plan_survey(PEOPLE, 3) != plan_survey(PEOPLE, 4)
    orders = [[s.person for s in plan_survey(PEOPLE, seed)[:20]] for seed in (3, 4)]
    assert orders[0] != orders[1] != PEOPLE


def test_what_makes_no_survey_is_refused() -> None:
    with pytest.raises(DirectionError, match="1 people; expected 2 or more"):
        plan_survey(PEOPLE[:1], 0)
    with pytest.raises(DirectionError, match="WS 0 twice"):
        plan_survey([*PEOPLE, PEOPLE[0]], 0)
