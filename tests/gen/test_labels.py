from __future__ import annotations

import math

import pytest
import torch

from core.errors import LabelError
from faces.labels import AgeGroup
from gen.labels import Vocabulary


def test_default_vocabulary_is_the_studys() -> None:
    vocabulary = Vocabulary()
    assert vocabulary.conditions == ("WS", "22q11DS", "other", "unaffected")
    assert vocabulary.age_names == ("infant", "child", "adolescent", "young_adult", "older_adult")
    assert vocabulary.c_dim == 9


def test_one_hot_blend_and_unknown() -> None:
    vocabulary = Vocabulary()
    c = vocabulary.encode("22q11DS", "child")
    assert c.dtype == torch.float32
    assert c.tolist() == [0, 1, 0, 0, 0, 1, 0, 0, 0]
    blend = vocabulary.encode({"WS": 0.75, "unaffected": 0.25}, {"infant": 0.5, "older_adult": 0.5})
    assert blend.tolist() == [0.75, 0, 0, 0.25, 0.5, 0, 0, 0, 0.5]
    assert torch.allclose(vocabulary.encode(), torch.tensor([1 / 4] * 4 + [1 / 5] * 5))


@pytest.mark.parametrize(
    ("years", "group"),
    [(0, "infant"), (1.99, "infant"), (2, "child"), (10, "adolescent"), (20, "young_adult"), (35, "older_adult")],
)
def test_years_mean_their_group(years: float, group: str) -> None:
    vocabulary = Vocabulary()
    assert torch.equal(vocabulary.encode("WS", years), vocabulary.encode("WS", group))


@pytest.mark.parametrize(
    ("condition", "age", "message"),
    [
        ("Down", None, "unknown condition 'Down'; expected one of WS, 22q11DS, other, unaffected"),
        (None, "teen", "unknown age group 'teen'"),
        ({"WS": 0.6, "other": 0.6}, None, "sum to 1.2; expected 1"),
        ({"WS": 1.2, "other": -0.2}, None, r"weight 1.2 of condition 'WS' is outside \[0, 1\]"),
        ({}, None, "sum to 0"),
        (None, -1.0, "age -1.0 years is in no age group"),
        (None, math.nan, "in no age group"),
    ],
)
def test_bad_labels_say_what_is_accepted(condition: object, age: object, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        Vocabulary().encode(condition, age)  # type: ignore[arg-type]


def test_another_laboratorys_vocabulary_survives_json() -> None:
    vocabulary = Vocabulary(("A", "B", "C"), (AgeGroup("young", 0, 18), AgeGroup("old", 18, math.inf)))
    assert Vocabulary.from_json(vocabulary.to_json()) == vocabulary
    assert vocabulary.encode("B", 30).tolist() == [0, 1, 0, 0, 1]


def test_conditions_have_the_identifiers_of_the_catalogue_unless_others_are_given() -> None:
    assert Vocabulary(("WS", "DS")).identifiers == {"WS": {"OMIM": "OMIM:194050", "ORPHA": "ORPHA:904"}}
    own = Vocabulary(("WS", "DS"), stored_identifiers={"DS": {"OMIM": "OMIM:190685"}})
    assert own.identifiers == {"DS": {"OMIM": "OMIM:190685"}}
    assert own == Vocabulary(("WS", "DS"))  # a run that was begun before identifiers were known goes on


def test_names_must_be_distinct() -> None:
    with pytest.raises(LabelError, match="each named once"):
        Vocabulary(("A", "A"))
