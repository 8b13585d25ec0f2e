from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from core.errors import ConfigError
from recognition.syndromes.cohorts.permutation import combine_p_values, permute_labels, score_neighbours
from recognition.syndromes.cohorts.person import Cohort
from recognition.syndromes.cohorts.runs import RunResult, draw_matchings, match_syndromes, summarise
from recognition.syndromes.cohorts.scores import measure_scores
from tests.recognition.syndromes.cohorts.people import make_people

PATIENTS = make_people([4, 5, 6, 7, 8, 9], "WS")
CONTROLS = make_people([4, 5, 6, 7, 8, 9] * 4)


def test_controls_are_redrawn_and_counted_over_the_runs() -> None:
    matchings = draw_matchings(PATIENTS, CONTROLS, 3)
    assert draw_matchings(PATIENTS, CONTROLS, 2) == matchings[:2]
    assert draw_matchings(PATIENTS, CONTROLS, 2, seed=1) != matchings[:2]
    certain = [one.labels.astype(np.float64) for one in matchings]
    results = [RunResult(one, p, measure_scores(one.labels, p)) for one, p in zip(matchings, certain, strict=True)]
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
    cohort = Cohort((*PATIENTS, *make_people([5] * 5 + [30], "NS"), *make_people([6] * 4 + [30], "AS"), *CONTROLS))
    numbers = {(a, b): matching and len(matching.pairs) for a, b, matching in match_syndromes(cohort)}
    assert numbers == {
        ("AS", "NS"): 5,
        ("NS", "AS"): 5,
        ("NS", "WS"): None,
        ("WS", "NS"): None,
        ("AS", "WS"): None,
        ("WS", "AS"): None,
    }


def test_the_p_of_runs_that_share_the_patients_holds_its_level() -> None:
    generator, controls = np.random.default_rng(0), make_people([5] * 24)
    patients = make_people([5] * 8, "WS")
    found = []
    for seed in range(120):
        faces = dict(zip((*patients, *controls), generator.normal(size=(32, 3)), strict=True))
        p_values = []
        for run in draw_matchings(patients, controls, 3, seed=seed):
            score = score_neighbours(np.array([faces[one] for one in run.people]), run.pair_numbers)
            p_values.append(permute_labels(score, run.labels, run.pair_numbers, permutations=99, seed=seed).p)
        found.append(combine_p_values(p_values))
    for level in (0.05, 0.1, 0.25, 0.5):
        assert np.mean(np.array(found) <= level) <= level + 3 * math.sqrt(level * (1 - level) / len(found)), level
