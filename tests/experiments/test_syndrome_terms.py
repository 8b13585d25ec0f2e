"""Terms that clinicians write down of simulated people, and the measurements with them at a small scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.syndromes.people import CONTROLS, OTHER_CAUSES, SYNDROMES
from experiments.syndromes.terms import (
    QUICK,
    describe_person,
    format_effort,
    format_level,
    load_frequencies,
    measure_effort,
    measure_level,
)
from faces.conditions.ontology import load_ontology


def test_the_terms_written_down_of_a_person_are_its_own_or_parents_of_them() -> None:
    ontology, known = load_ontology(), load_frequencies()
    for name in (*SYNDROMES, *OTHER_CAUSES, CONTROLS):
        frequencies = known[name]
        assert all(0 < frequency <= 1 for frequency in frequencies.values())
        noted = describe_person(frequencies, 6, np.random.default_rng(1))
        above = set().union(*(ontology.find_ancestors(term) for term in frequencies))
        assert noted
        assert above.issuperset(noted)


def test_more_thorough_descriptions_have_more_terms() -> None:
    frequencies = load_frequencies()["Kabuki"]
    counts = [
        np.mean([len(describe_person(frequencies, described, np.random.default_rng(seed))) for seed in range(200)])
        for described in (3, 12)
    ]
    np.testing.assert_allclose(counts, [3, 12], rtol=0.1)


def test_level_and_effort_are_measured_on_cohorts_without_a_difference(tmp_path: Path) -> None:
    p_values = measure_level(tmp_path, QUICK)
    assert len(p_values) == QUICK.cohorts
    assert all(0 < p <= 1 for p in p_values)
    efforts = measure_effort(tmp_path, QUICK)
    assert format_level(p_values).count("\n") == 7
    assert format_effort(efforts).count("\n") == 2 + len(efforts)
    uneven = max(efforts, key=lambda effort: effort.patients)
    assert np.mean(uneven.counts) > 0.8
