from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from core.errors import LabelError
from faces.conditions.catalogue import FacialTerm
from faces.conditions.terms import list_facial_terms
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.drawn_terms import DRAWN_TERMS, OPPOSITES, OVERALL, add_amounts
from faces.phantoms.person import TRAITS, phantom
from faces.phantoms.phenotype import describe_phantom, draw_terms, find_phenotype, is_visible
from faces.phantoms.regions import REGIONS, Masks, locate_regions

PERSONS = ((3, 25.0),)
FACIAL = [term.id for term in list_facial_terms() if term.id in DRAWN_TERMS]


def squared_change(terms: list[str], identity: int, age: float) -> tuple[npt.NDArray[np.float64], Masks]:
    """Squared change (64, 64) of a picture by terms, and the regions of the face with them."""
    of = describe_phantom(terms, age, 0.9, identity)
    difference = draw_phantom(of, 64).image.astype(float) - draw_base(identity, age)
    return (difference**2).sum(axis=2), locate_regions(of, 64)


@cache
def draw_base(identity: int, age: float) -> npt.NDArray[np.uint8]:
    return draw_phantom(describe_phantom([], age, 0.9, identity), 64).image


@cache
def base_regions(identity: int, age: float) -> Masks:
    return locate_regions(describe_phantom([], age, 0.9, identity), 64)


def test_most_of_the_facial_terms_are_drawn_where_the_catalogue_says() -> None:
    assert len(FACIAL) >= 40
    for term in list_facial_terms():
        if term.id in DRAWN_TERMS:
            region = DRAWN_TERMS[term.id].region
            assert ("eyes" if region == "brows" else region) == term.region


@pytest.mark.parametrize("term_id", FACIAL)
def test_each_term_is_visible_and_changes_its_own_region(term_id: str) -> None:
    inside = everywhere = 0.0
    for person in PERSONS:
        change, regions = squared_change([term_id], *person)
        assert np.sqrt(change.max() / 3) >= 10
        everywhere += change.sum()
        region = DRAWN_TERMS[term_id].region
        if region != OVERALL:
            inside += change[regions[region] | base_regions(*person)[region]].sum()
    assert DRAWN_TERMS[term_id].region == OVERALL or inside >= 0.8 * everywhere


def test_a_trait_names_terms_that_move_it_and_that_exclude_each_other() -> None:
    for trait in TRAITS:
        assert trait.more in DRAWN_TERMS
        if trait.less:
            assert (trait.more, trait.less) in OPPOSITES or (trait.less, trait.more) in OPPOSITES
    shift = add_amounts({"HP:0000343": 0.5})[0]
    assert shift["philtrum_length"] == pytest.approx(0.5 * DRAWN_TERMS["HP:0000343"].amounts["philtrum_length"])


def test_regions_do_not_overlap_and_lie_at_their_landmarks() -> None:
    of = describe_phantom(["Wide mouth"], 30, 0.4, 5)
    regions, points = locate_regions(of, 128), draw_phantom(of, 128).landmarks
    assert tuple(regions) == REGIONS
    assert np.stack([*regions.values()]).sum(axis=0).max() == 1
    places = {"eyes": (36, 45), "nose": (30, 33), "mouth": (48, 57), "brows": (19, 24), "chin": (8,)}
    for region, numbers in places.items():
        for x, y in points[list(numbers)] - (0, 2 * (region == "chin")):
            assert regions[region][round(y), round(x)], region
    assert all(regions[region].sum() > 30 for region in REGIONS)


def test_a_described_person_has_the_named_terms_and_no_other() -> None:
    of = describe_phantom(["HP:0000343", "ptosis"], 8, 0.2, 4, condition="Kabuki")
    phenotype = find_phenotype(of)
    assert (of.condition, phenotype.present) == ("Kabuki", ("HP:0000508", "HP:0000343"))
    assert {*phenotype.present, *phenotype.absent} == {*DRAWN_TERMS}
    assert of == describe_phantom(["HP:0000508", "Long philtrum"], 8, 0.2, 4, condition="Kabuki")
    assert of != describe_phantom(["HP:0000508"], 8, 0.2, 4, condition="Kabuki")


def test_a_person_of_a_default_condition_has_the_terms_of_abnormal_traits() -> None:
    of = phantom("WS", 8, 0.2, 4)
    present = find_phenotype(of).present
    scores = {trait.more: of.traits[trait.name] / trait.deviation for trait in TRAITS}
    assert present
    assert {term for term, score in scores.items() if score >= 2} <= set(present)
    assert "HP:0000280" not in {*present, *find_phenotype(of).absent}


def test_sex_and_ancestry_are_those_of_the_looks() -> None:
    people = [phantom("unaffected", 20, 0, identity) for identity in range(300)]
    assert {(of.sex, of.looks.masculinity > 0.5) for of in people} == {("male", True), ("female", False)}
    shares = [sum(of.ancestry == group for of in people) / 300 for group in ("light", "medium", "dark")]
    assert min(shares) > 0.25


def test_terms_are_drawn_by_their_frequency_and_independently() -> None:
    table = [FacialTerm("HP:0000343", 0.8), FacialTerm("HP:0000508", 0.3), FacialTerm("HP:0000316", None)]
    rng = np.random.default_rng(0)
    drawn = [draw_terms([*table, FacialTerm("HP:0000175", 1.0)], rng) for _ in range(2000)]
    for term, frequency in (("HP:0000343", 0.8), ("HP:0000508", 0.3), ("HP:0000316", 0.5)):
        assert np.mean([term in terms for terms in drawn]) == pytest.approx(frequency, abs=0.03)
    both = np.mean([{"HP:0000343", "HP:0000508"} <= terms for terms in drawn])
    assert both == pytest.approx(0.24, abs=0.03)
    assert set().union(*drawn) == {"HP:0000343", "HP:0000508", "HP:0000316"}


def test_terms_that_exclude_each_other_are_never_drawn_together() -> None:
    table = [FacialTerm(term, 0.9) for pair in OPPOSITES for term in pair]
    for seed in range(50):
        terms = draw_terms(table, np.random.default_rng(seed))
        assert not any(terms.issuperset(pair) for pair in OPPOSITES)
        describe_phantom(terms, 5, 0, seed)


@pytest.mark.parametrize("terms", [["HP:0000582", "HP:0000494"], ["HP:0000175"], ["nonsense"]])
def test_terms_that_cannot_be_drawn_are_refused(terms: list[str]) -> None:
    with pytest.raises(LabelError):
        describe_phantom(terms, 5, 0, 1)


def test_teeth_are_seen_in_a_smile_alone() -> None:
    grave, smiling = (describe_phantom(["HP:0000687"], 30, smile, 1) for smile in (0.0, 1.0))
    assert not is_visible("HP:0000687", grave)
    assert is_visible("HP:0000687", smiling)
    assert is_visible("HP:0000508", grave)
