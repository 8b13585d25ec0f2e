from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from core.errors import ConfigError
from studies.plan.simulate import Effects, SimulatedStudy, draw_study, simulate_answers, solve_log_odds
from studies.plan.study_design import DUONG_WS, PATEL, StudyDesign

SLOPES = Effects(participant_slope_sd=0.5, face_slope_sd=0.5)


def draw_large(design: StudyDesign, effects: Effects) -> SimulatedStudy:
    """Draw a study of so many participants and faces that shares are known to a percent."""
    return draw_study(design.with_faces(200).with_participants(400), effects, np.random.default_rng(5))


def test_versions_of_patels_design_are_complementary() -> None:
    answers = simulate_answers(PATEL, Effects(), seed=1)
    assert len(answers) == 56 * 32
    shown = {(answer.version, answer.face): answer.variant for answer in answers}
    faces = {face for _, face in shown}
    assert len(faces) == 32
    assert all({shown["A", face], shown["B", face]} == {"reconstructed", "edited"} for face in faces)
    mine = [answer for answer in answers if answer.participant == "P001"]
    assert Counter((answer.condition, answer.variant) for answer in mine) == {
        (group.condition, variant): 4 for group in PATEL.groups for variant in PATEL.variants
    }
    assert sorted(answer.order or 0 for answer in mine) == [*range(1, 33)]


def test_participants_of_duongs_design_see_a_balanced_half() -> None:
    answers = simulate_answers(DUONG_WS, Effects(), seed=1)
    by_person = {
        name: Counter((answer.condition, answer.age_group) for answer in answers if answer.participant == name)
        for name in ("P001", "P030")
    }
    assert all([*counts.values()] == [5] * 10 for counts in by_person.values())
    assert len({answer.image for answer in answers}) == 100


def test_answers_have_the_accuracies_of_their_groups() -> None:
    study = draw_large(DUONG_WS, Effects())
    groups = DUONG_WS.with_faces(200).list_face_groups()
    for first in range(0, len(groups), 200):
        of_group = (study.faces >= first) & (study.faces < first + 200)
        assert study.correct[of_group].mean() == pytest.approx(groups[first].accuracy, abs=0.05)


def test_variants_without_an_effect_are_equally_hard_whatever_the_slopes() -> None:
    easy = replace(PATEL, groups=tuple(replace(group, accuracy=0.9) for group in PATEL.groups))
    steep = Effects(participant_slope_sd=3, face_slope_sd=3)
    study = draw_large(easy, steep)
    shares = [study.correct[study.variants == variant].mean() for variant in (0, 1)]
    assert shares == pytest.approx([0.9, 0.9], abs=0.02)


def test_effects_and_deviations_are_those_asked_for() -> None:
    effects = replace(SLOPES, variants={"edited": -0.7}, participant_sd=0.5)
    study = draw_large(PATEL, effects)
    means = np.array(
        [[row[kind == at].mean() for at in (0, 1)] for row, kind in zip(study.log_odds, study.variants, strict=True)]
    )
    differences = means[:, 1] - means[:, 0]
    assert differences.mean() == pytest.approx(-0.7, abs=0.1)
    assert differences.std() == pytest.approx(0.5, abs=0.08)
    assert means.mean(axis=1).std() == pytest.approx(0.5, abs=0.08)


def test_a_seed_gives_the_same_answers() -> None:
    assert simulate_answers(PATEL, SLOPES, seed=3) == simulate_answers(PATEL, SLOPES, seed=3)
    assert simulate_answers(PATEL, SLOPES, seed=3) != simulate_answers(PATEL, SLOPES, seed=4)


def test_log_odds_of_an_accuracy_allow_for_the_spread() -> None:
    assert solve_log_odds(0.8, 0.0) == pytest.approx(np.log(4))
    assert solve_log_odds(0.8, 2.0) > np.log(4)
    assert solve_log_odds(0.5, 100.0) == pytest.approx(0, abs=1e-6)  # no overflow


def test_impossible_designs_are_refused() -> None:
    with pytest.raises(ConfigError):
        replace(PATEL, participants=(3,))
    with pytest.raises(ConfigError):
        replace(PATEL, options=("WS", "other"))
    with pytest.raises(ConfigError):
        replace(PATEL, groups=PATEL.groups[3:], options=("WS",))
    with pytest.raises(ConfigError):
        draw_study(DUONG_WS, Effects(variants={"edited": 1.0}), np.random.default_rng(0))
