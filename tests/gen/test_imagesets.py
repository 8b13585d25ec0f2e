"""The kinds of image set, as Duong et al. 2022 define them."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from core.errors import RequestError
from faces.image_set_request import ImageSetRequest
from gen.imagesets import Row, expand, list_middle_years, set_id
from gen.labels import Vocabulary

VOCABULARY = Vocabulary()
AGES = VOCABULARY.age_names
COUNTS = {
    "WS": dict.fromkeys(AGES, 10),
    "22q11DS": dict(zip(AGES, (2, 4, 6, 8, 13), strict=True)),  # mean 6.6
    "other": dict.fromkeys(AGES, 3),
    "unaffected": dict.fromkeys(AGES, 100),
}


def rows(kind: str, **fields: Any) -> Sequence[Row]:
    return expand(ImageSetRequest(kind, **fields), VOCABULARY, COUNTS)


def one_hot(condition: str, age: str) -> tuple[float, ...]:
    return tuple(VOCABULARY.encode(condition, age).tolist())


def test_unrelated_has_a_random_vector_per_image() -> None:
    made = rows("unrelated", conditions=("WS", "other"), ages=("child", "infant"), count=3)
    assert len(made) == 12
    assert len({row.seed for row in made}) == len({row.person for row in made}) == 12
    assert all(row.c == one_hot(row.condition, row.age_group) for row in made)
    assert all(row.step is None for row in made)


def test_age_related_shares_a_vector_over_the_age_groups() -> None:
    made = rows("age_related", conditions=("WS",), count=4)
    assert len(made) == 20
    for person in {row.person for row in made}:
        own = [row for row in made if row.person == person]
        assert [row.age_group for row in own] == list(AGES)
        assert len({row.seed for row in own}) == 1
        assert [row.c for row in own] == [one_hot("WS", age) for age in AGES]


def test_age_progression_steps_from_the_infant_to_the_older_adult_embedding() -> None:
    made = rows("age_progression", conditions=("22q11DS",), count=2)
    assert len(made) == 10
    for k, row in enumerate(made):
        step, t = k % 5, (k % 5) / 4
        assert (row.step, row.age_group) == (step, AGES[step])  # one-hot label for training
        assert row.c == pytest.approx((0, 1, 0, 0, 1 - t, 0, 0, 0, t))
        assert row.soft_label == (0, 1, 0, 0)
    assert [row.person for row in made] == [made[0].person] * 5 + [made[5].person] * 5


def test_blends_mix_two_conditions_with_the_same_vectors_for_every_partner() -> None:
    made = rows("blended", conditions=("WS",), count=2, blend=0.75)
    partners = ("22q11DS", "other", "unaffected")
    assert len(made) == 3 * 5 * 2
    seeds = defaultdict(set)
    for row in made:
        partner = next(p for p in partners if row.soft_label[VOCABULARY.conditions.index(p)])
        assert row.soft_label[0] == 0.75
        assert sum(row.soft_label) == 1
        assert row.c[:4] == pytest.approx(row.soft_label)
        seeds[partner].add((row.age_group, row.seed))
    assert seeds["22q11DS"] == seeds["other"] == seeds["unaffected"]
    assert len({seed for _, seed in seeds["other"]}) == 10  # one per person and age


def test_default_counts_follow_the_training_data() -> None:
    affected = {"WS": 10, "22q11DS": 7, "other": 3}  # mean over ages
    assert Counter(r.condition for r in rows("unrelated")) == {c: 5 * n for c, n in affected.items()}
    for kind in ("age_related", "age_progression"):
        assert Counter(r.condition for r in rows(kind)) == {c: 5 * n for c, n in affected.items()}
    blends = {c: 3 * 5 * math.ceil(mean / 3) for c, mean in (("WS", 10), ("22q11DS", 6.6), ("other", 3))}
    assert Counter(r.condition for r in rows("blended")) == blends


def test_average_has_one_image_per_label() -> None:
    made = rows("average", conditions=("WS", "unaffected"))
    assert [(row.condition, row.age_group) for row in made] == [(c, a) for c in ("WS", "unaffected") for a in AGES]


def test_published_defaults() -> None:
    resolved = ImageSetRequest("blended").resolve(VOCABULARY, COUNTS, "abc")
    assert resolved["truncation"] == 0.6
    assert resolved["blend"] == 0.55
    assert resolved["conditions"] == ["WS", "22q11DS", "other"]
    assert resolved["partners"] == list(VOCABULARY.conditions)
    assert resolved["counts"] == {"WS": 4, "22q11DS": 3, "other": 1}
    assert ImageSetRequest("average").resolve(VOCABULARY, COUNTS, "abc")["truncation"] == 1
    json.dumps(resolved)


def test_seeds_are_persons_in_every_condition() -> None:
    made = rows("age_related", conditions=("WS", "other"), seeds=(7, 8))
    assert [row.seed for row in made] == [7] * 5 + [8] * 5 + [7] * 5 + [8] * 5


def test_seeds_of_unrelated_images_are_dealt_in_order() -> None:
    made = rows("unrelated", conditions=("WS",), ages=("infant", "child"), seeds=(1, 2, 3, 4))
    assert [(row.age_group, row.seed) for row in made] == [
        ("infant", 1),
        ("infant", 2),
        ("child", 3),
        ("child", 4),
    ]
    with pytest.raises(RequestError, match="3 seeds for 2 pairs of condition and age; expected a multiple of 2"):
        rows("unrelated", conditions=("WS",), ages=("infant", "child"), seeds=(1, 2, 3))


def test_seeds_of_blends_are_dealt_over_ages_and_shared_by_partners() -> None:
    ages = ("infant", "child")
    made = rows("blended", conditions=("WS",), ages=ages, partners=("other", "unaffected"), seeds=(1, 2))
    assert [(row.age_group, row.seed) for row in made] == [("infant", 1), ("child", 2)] * 2


def test_images_of_unknown_age_do_not_count() -> None:
    counts = {"WS": dict.fromkeys(AGES, 10) | {"unknown": 100}}
    request = ImageSetRequest("age_related", conditions=("WS",))
    assert len(expand(request, VOCABULARY, counts)) == 5 * 10


def test_more_of_the_same_keeps_the_first_and_another_seed_shares_nobody() -> None:
    few, many = (rows("age_progression", conditions=("WS",), count=n) for n in (3, 30))
    assert [row.seed for row in many[: len(few)]] == [row.seed for row in few]
    other = rows("age_progression", conditions=("WS",), count=30, seed=1)
    assert not {row.seed for row in many} & {row.seed for row in other}
    everyone = rows("age_progression", conditions=("other", "WS"), count=3)
    assert [row.seed for row in everyone if row.condition == "WS"] == [row.seed for row in few]


def test_a_set_is_named_by_all_that_makes_its_pictures() -> None:
    def name(**fields: Any) -> str:
        request = ImageSetRequest("age_progression", **fields)
        return set_id(request.resolve(VOCABULARY, COUNTS, "abc"))

    assert name() == name(truncation=0.6, conditions=("WS", "22q11DS", "other"))
    variants = [
        name(),
        name(count=5),
        name(seed=1),
        name(seeds=(1,)),
        name(truncation=0.7),
        name(noise="none"),
        name(precision="bfloat16"),
        name(ages=("infant",)),
    ]
    assert len(set(variants)) == len(variants)
    assert name(truncation=1) == name(truncation=1.0)
    other_weights = ImageSetRequest("age_progression").resolve(VOCABULARY, COUNTS, "def")
    assert set_id(other_weights) != name()


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"kind": "twins"}, "kind", "'twins'; expected one of unrelated, age_related"),
        ({"conditions": ("Down",)}, "conditions", "unknown 'Down'; expected one or more of WS, 22q11DS"),
        ({"conditions": ()}, "conditions", "is empty"),
        ({"conditions": ("WS", "WS")}, "conditions", "names one twice"),
        ({"ages": ("teen",)}, "ages", "unknown 'teen'; expected one or more of infant, child"),
        ({"count": 0}, "count", "0; expected an integer from 1"),
        ({"count": True}, "count", "True; expected an integer"),
        ({"seed": -1}, "seed", "-1; expected an integer from 0"),
        ({"seeds": ()}, "seeds", "expected one or more seeds"),
        ({"seeds": (1, 2.5)}, "seeds", "2.5; expected an integer"),
        ({"seeds": (2**63,)}, "seeds", "expected an integer from 0 to 9223372036854775807"),
        ({"seeds": (1, 1)}, "seeds", "one seed is given twice"),
        ({"seeds": (1,), "count": 1}, "seeds", "and no count"),
        ({"truncation": 1.5}, "truncation", r"1.5; expected a number in \[0, 1\]"),
        ({"truncation": math.nan}, "truncation", "nan; expected a number"),
        ({"kind": "blended", "blend": 1.2}, "blend", r"1.2; expected a number in \[0, 1\]"),
        ({"blend": 0.5}, "blend", "no meaning for kind 'age_progression'"),
        ({"years": (3, 3)}, "years", "each named once"),
        ({"years": ()}, "years", "one or more"),
        ({"years": (-1,)}, "years", "expected numbers in"),
        ({"years": (3,), "ages": ("child",)}, "ages", "with years"),
        ({"years": (3,), "age_steps": "calibrated"}, "age_steps", "with years"),
        ({"kind": "unrelated", "years": (3,)}, "years", "no meaning for kind 'unrelated'"),
        ({"kind": "blended", "conditions": ("WS",), "partners": ("WS",)}, "partners", "needs two conditions"),
        ({"kind": "blended", "conditions": ("WS", "other"), "partners": ("WS",)}, "partners", "needs two conditions"),
        ({"kind": "average", "count": 3}, "count", "no meaning for kind 'average'"),
        ({"noise": "loud"}, "noise", "expected one of const, none, random"),
        ({"precision": "float8"}, "precision", "expected one of float32, bfloat16"),
    ],
)
def test_bad_requests_name_field_value_and_what_is_accepted(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        rows(**({"kind": "age_progression"} | fields))
    assert caught.value.field == field


def test_weights_without_training_counts_ask_for_a_count() -> None:
    with pytest.raises(RequestError, match="no training counts of WS: give count or seeds"):
        expand(ImageSetRequest("unrelated", conditions=("WS",)), VOCABULARY, {})
    assert len(expand(ImageSetRequest("unrelated", conditions=("WS",), count=1), VOCABULARY, {})) == 5


def test_rows_that_nobody_has_read_take_little_memory() -> None:
    """A service holds the plans of all requests that are in progress."""
    tracemalloc.start()
    try:
        made = rows("age_progression", conditions=("WS",), count=4_000)
        assert tracemalloc.get_traced_memory()[0] < 40 * len(made)
    finally:
        tracemalloc.stop()
    assert made[-1] == made[19_999] == made[19_998:][1]
    with pytest.raises(IndexError):
        made[20_000]


def test_rows_are_json() -> None:
    row = rows("blended", conditions=("WS",), count=1)[0]
    assert json.loads(json.dumps(row.to_json())) == row.to_json()
    assert row.to_json()["soft_label"] == list(row.soft_label)


def test_where_nobody_is_affected_the_default_is_everybody() -> None:
    request = ImageSetRequest("unrelated", count=2)
    made = expand(request, Vocabulary(conditions=("unaffected",)), {})
    assert {row.condition for row in made} == {"unaffected"}
    assert len(made) == 2 * len(AGES)


def test_calibrated_steps_replace_the_equal_ones_of_a_progression() -> None:
    steps = {"WS": (0.0, 0.4, 0.5, 0.6, 0.9)}
    request = ImageSetRequest("age_progression", conditions=("WS",), count=1, age_steps="calibrated")
    made = expand(request, VOCABULARY, {}, steps)
    assert [row.age_group for row in made] == list(AGES)
    for row, place in zip(made, steps["WS"], strict=True):
        assert row.c[4:] == pytest.approx([1 - place, 0, 0, 0, place])
    with pytest.raises(RequestError) as refused:
        expand(replace(request, conditions=("WS", "other")), VOCABULARY, {}, steps)
    assert refused.value.field == "age_steps"
    assert "other" in str(refused.value)


STEPS = {"WS": (0.0, 0.4, 0.5, 0.6, 0.9), "other": (0.0, 0.2, 0.4, 0.8, 1.0)}


def test_years_lie_between_the_steps_of_the_age_groups() -> None:
    middles = list_middle_years(VOCABULARY.ages)
    assert all(years in group for years, group in zip(middles, VOCABULARY.ages, strict=True))
    request = ImageSetRequest("age_progression", conditions=("WS",), seeds=(5,), years=(*middles, 0, 7.5, 100))
    made = expand(request, VOCABULARY, {}, STEPS)
    oldest = [row.c[-1] for row in made]
    assert oldest[:5] == pytest.approx(STEPS["WS"])
    assert oldest[5] == 0.0
    assert 0.4 < oldest[6] < 0.5
    assert oldest[7] == pytest.approx(0.9)
    assert all(sum(row.c[4:]) == pytest.approx(1) and not any(row.c[5:8]) for row in made)
    assert [row.age_group for row in made[5:]] == ["infant", "child", "older_adult"]
    assert request.count_images(VOCABULARY, {}) == len(made) == 8


def test_a_blend_takes_the_mix_of_the_steps_and_weights_without_steps_take_equal_ones() -> None:
    middle = list_middle_years(VOCABULARY.ages)[1]
    request = ImageSetRequest(
        "blended", conditions=("WS",), partners=("other",), blend=0.25, seeds=(5, 6), years=(middle, 50)
    )
    calibrated, equal = expand(request, VOCABULARY, {}, STEPS), expand(request, VOCABULARY, {})
    assert [row.seed for row in calibrated] == [5, 6]
    assert calibrated[0].c[-1] == pytest.approx(0.25 * 0.4 + 0.75 * 0.2)
    assert equal[0].c[-1] == pytest.approx(0.25)
    assert (calibrated[0].soft_label, calibrated[0].age_group) == ((0.25, 0, 0.75, 0), "child")


def test_a_set_with_years_is_cited_by_them_and_by_no_age_groups() -> None:
    resolved = ImageSetRequest("age_progression", count=1, years=(6, 40)).resolve(VOCABULARY, COUNTS, "abc")
    assert resolved["years"] == [6.0, 40.0]
    assert "ages" not in resolved
    without = ImageSetRequest("age_progression", count=1).resolve(VOCABULARY, COUNTS, "abc")
    assert "years" not in without


def test_a_request_that_names_the_published_steps_is_the_one_that_names_none() -> None:
    plain = ImageSetRequest("age_progression", count=2)
    named, calibrated = (replace(plain, age_steps=steps) for steps in ("published", "calibrated"))  # type: ignore[arg-type]
    resolved = [request.resolve(VOCABULARY, COUNTS, "abc") for request in (plain, named, calibrated)]
    assert resolved[0] == resolved[1]
    assert resolved[2] == resolved[0] | {"age_steps": "calibrated"}
    for kind, steps in (("unrelated", "calibrated"), ("age_progression", "even")):
        with pytest.raises(RequestError) as refused:
            ImageSetRequest(kind, age_steps=steps).with_defaults(VOCABULARY)  # type: ignore[arg-type]
        assert refused.value.field == "age_steps"
