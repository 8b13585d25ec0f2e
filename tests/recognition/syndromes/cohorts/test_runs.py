from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from core.errors import ConfigError
from recognition.syndromes.cohorts.person import Cohort
from recognition.syndromes.cohorts.runs import draw_matchings, evaluate_run, match_syndromes, summarise
from tests.recognition.syndromes.cohorts.people import Neighbours, make_people

PATIENTS = make_people([4, 5, 6, 7, 8, 9], "WS")
CONTROLS = make_people([4, 5, 6, 7, 8, 9] * 4)


def test_controls_are_redrawn_and_counted_over_the_runs() -> None:
    matchings = draw_matchings(PATIENTS, CONTROLS, 3)
    assert draw_matchings(PATIENTS, CONTROLS, 2) == matchings[:2]
    assert draw_matchings(PATIENTS, CONTROLS, 2, seed=1) != matchings[:2]
    generator = np.random.default_rng(0)
    results = [
        evaluate_run(one, Neighbours(), generator.normal(size=(12, 2)) + 9 * one.labels[:, None], pairs_together=True)
        for one in matchings
    ]
    summary = summarise(results)
    assert (summary.runs, summary.pairs, summary.p) == (3, 6, None)
    assert (summary.auc.mean, summary.auc.deviation) == (1, 0)
    assert 6 < summary.different_controls <= 18
    with_p = [dataclasses.replace(one, p=p) for one, p in zip(results, (0.01, 0.02, 0.03), strict=True)]
    assert summarise(with_p).p == pytest.approx(0.04)
    assert math.isnan(summarise(results[:1]).auc.deviation)
    with pytest.raises(ConfigError):
        draw_matchings(PATIENTS, CONTROLS, 0)


def test_syndromes_are_matched_with_each_other_if_there_are_pairs_enough() -> None:
    cohort = Cohort((*PATIENTS, *make_people([5, 6.5, 30], "NS"), *make_people([6, 29], "AS"), *CONTROLS))
    numbers = {(a, b): matching and len(matching.pairs) for a, b, matching in match_syndromes(cohort)}
    assert numbers == {
        ("AS", "NS"): 2,
        ("NS", "AS"): 2,
        ("NS", "WS"): 2,
        ("WS", "NS"): 2,
        ("AS", "WS"): None,
        ("WS", "AS"): None,
    }
