"""Method, steps and seconds of inversions over REST."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from api.models.model import ModelInfo
from api.photographs.inversion_effort import MOST_SECONDS, InversionEffort, check_effort
from api.problems import Problem
from tests.api.lab import CONSENT, WAIT, Lab, good, phantom

FACE = np.zeros((8, 8, 3), dtype=np.uint8)
MODEL = ModelInfo("one", "", 8, (), (), "", "", None, {})


class Editor:
    """A face editor that says how a face was inverted."""

    inverter: object | None = None

    def invert(self, face: object, **options: object) -> str:
        return "networks"

    def invert_by(self, method: str, **options: object) -> Any:
        return lambda face: (str(method), options)


def test_networks_are_usual_where_there_are_any_and_tuning_is_bounded() -> None:
    without, with_inverter = Editor(), Editor()
    with_inverter.inverter = "inverter"
    tuned: Any = ("pti", {"steps": None, "seconds": MOST_SECONDS})
    assert InversionEffort().invert(with_inverter, FACE, "auto") == "networks"  # type: ignore[arg-type]
    assert InversionEffort().invert(without, FACE, "auto") == tuned  # type: ignore[arg-type]
    effort = InversionEffort.read({"method": "tuning", "steps": 7, "seed": 1})
    assert effort.list_fields() == {"method": "tuning", "steps": 7}
    tuned = ("pti", {"steps": 7, "seconds": MOST_SECONDS})
    assert effort.invert(with_inverter, FACE, "auto") == tuned  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("effort", "has_inverter", "field"),
    [
        (InversionEffort("hyperstyle"), False, "method"),
        (InversionEffort("hyperstyle", steps=5), True, "steps"),
        (InversionEffort(seconds=5.0), True, "seconds"),
    ],
)
def test_what_a_model_cannot_do_is_refused(effort: InversionEffort, has_inverter: bool, field: str) -> None:
    with pytest.raises(Problem) as caught:
        check_effort(replace(MODEL, has_inverter=has_inverter), effort)
    assert [error["field"] for error in caught.value.errors] == [field]
    for possible in (InversionEffort(), InversionEffort("tuning", 5, 5.0)):
        check_effort(replace(MODEL, has_inverter=has_inverter), possible)
    check_effort(replace(MODEL, has_inverter=False), InversionEffort(steps=5))


def test_a_photograph_is_refused_before_it_is_stored_and_tuned_for_one_edit(lab: Lab) -> None:
    refused = lab.http.post("/v1/photos?aligned=true&steps=5", content=phantom(3), headers=CONSENT)
    assert (refused.status_code, [error["field"] for error in refused.json()["errors"]]) == (422, ["steps"])
    assert good(lab.http.get("/v1/photos"))["items"] == []
    photo = good(lab.send(phantom(3)))
    assert photo["quality"]["method"] == "hyperstyle"
    asked = {"strength": 0.5, "hold": False}
    plain, tuned = (
        good(lab.http.post(photo["links"]["edits"], json=asked | more, headers=WAIT))
        for more in ({}, {"method": "tuning", "steps": 2, "seconds": 20.0})
    )
    assert tuned["state"] == "done", tuned["error"]
    assert tuned["request"]["steps"] == 2
    before = [lab.http.get(edit["links"]["before"]).content for edit in (plain, tuned)]
    assert before[0] != before[1]
    assert tuned["result"]["inversion"] in ("good", "doubtful", "out of domain")
