from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faces.phantoms.drawing import draw_phantom
from faces.phantoms.drawn_terms import OVERALL
from faces.phantoms.person import phantom
from faces.phantoms.phenotype import describe_phantom
from faces.phantoms.signs import NO_SIGNS
from recognition.explanation.truth.restoration import PARTS, list_changes, restore_parts

TERMS = ("HP:0000508", "HP:0003196", "HP:0004428", "HP:0000276")  # ptosis, short nose, elfin facies, long face


def test_a_person_without_changed_parts_is_the_unaffected_person() -> None:
    of = describe_phantom(TERMS, 9.0, 0.3, 5, "WS")
    restored, unaffected = restore_parts(of, PARTS), describe_phantom((), 9.0, 0.3, 5)
    assert restored.traits == pytest.approx(unaffected.traits)
    assert restored.signs == NO_SIGNS
    assert (restored.looks, restored.age_years, restored.smile) == (of.looks, of.age_years, of.smile)
    assert (draw_phantom(restored, 32).image == draw_phantom(unaffected, 32).image).all()


def test_one_part_alone_loses_its_terms() -> None:
    of = describe_phantom(TERMS, 9.0, 0.3, 5)
    restored = restore_parts(of, ["eyes"])
    assert restored.signs == replace(of.signs, ptosis=0.0)
    unmoved = {name for name, value in of.traits.items() if restored.traits[name] == value}
    assert set(of.traits) - unmoved == {"eye_spacing"}  # that of elfin facies


def test_what_a_term_moves_elsewhere_belongs_to_its_region() -> None:
    of = describe_phantom(["HP:0003196"], 9.0, 0.3, 5)
    assert {part for part, _, _ in list_changes(of)} == {"nose"}  # although the philtrum is longer
    overall = describe_phantom(["HP:0004428", "HP:0000276"], 9.0, 0.3, 5)
    assert {part for part, _, _ in list_changes(overall)} == {"nose", "mouth", "eyes", "cheeks", "chin", OVERALL}


def test_default_conditions_lose_their_shifts() -> None:
    of, unaffected = phantom("22q11DS", 9.0, 0.3, 5), phantom("unaffected", 9.0, 0.3, 5)
    assert restore_parts(of, PARTS).traits == pytest.approx(unaffected.traits)
    eyes = restore_parts(of, ["eyes"]).traits
    assert eyes["lid_hooding"] == pytest.approx(unaffected.traits["lid_hooding"])
    assert eyes["nose_tip"] == of.traits["nose_tip"]
    assert np.isfinite(list(eyes.values())).all()
