"""The analysis of a whole study, confidence, smile and classifier included."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import DatasetError
from core.json_text import to_json_text
from studies.analysis.confidence import measure_confidence
from studies.analysis.human_and_model import compare_with_model, read_probabilities
from studies.analysis.smile import measure_smile
from studies.analysis.study_analysis import StudyAnalysis, analyse_answers
from studies.answers.table import Answer
from studies.plan.simulate import Effects, simulate_answers
from studies.plan.study_design import DUONG_WS, PATEL


@pytest.fixture(scope="module")
def patel() -> StudyAnalysis:
    return analyse_answers(simulate_answers(PATEL.with_participants(40), Effects({"edited": -1.0}), seed=5))


def test_every_condition_is_compared_by_the_published_and_the_recommended_test(patel: StudyAnalysis) -> None:
    whole, *conditions = patel.variant_tests
    assert (whole.condition, whole.variants, whole.holm) == ("", ("reconstructed", "edited"), None)
    assert [test.condition for test in conditions] == ["22q11DS", "Angelman", "Noonan", "WS"]
    assert whole.comparison is not None
    assert max(whole.comparison.p, whole.published_p, whole.permutation_p or 1) < 0.01
    assert whole.bootstrap is not None
    assert whole.bootstrap.value == pytest.approx(whole.comparison.accuracy_difference, abs=0.01)
    for test in conditions:
        assert sum(test.answers) == 40 * 8
        assert test.holm is None or test.comparison is None or test.holm >= test.comparison.p


def test_results_are_json_and_name_no_participant(patel: StudyAnalysis) -> None:
    text = to_json_text(patel.to_json())
    assert "P001" not in text
    assert json.loads(text)["participants"] == 40


def test_a_condition_that_cannot_be_compared_has_its_reason() -> None:
    answers = [
        replace(one, answer=one.condition) if one.condition == "WS" else one
        for one in simulate_answers(PATEL.with_participants(10), Effects(), seed=1)
    ]
    tests = {test.condition: test for test in analyse_answers(answers).variant_tests}
    assert tests["WS"].comparison is None
    assert tests["WS"].problem
    assert tests[""].comparison is not None


def test_no_result_shows_fewer_than_three_participants() -> None:
    answers = [
        replace(one, smile=float(one.order or 0), confidence=9 if one.condition == "WS" else one.confidence)
        for one in simulate_answers(PATEL.with_participants(12), Effects(), seed=1)
        if one.condition != "WS" or one.participant in ("P001", "P002")
    ]
    even = {answer.image: dict.fromkeys(answer.options, 0.5) for answer in answers}
    analysis = analyse_answers(answers, even)
    assert {"condition": "WS"} in analysis.left_out
    assert {"condition": "WS", "variant": "edited"} in analysis.left_out
    assert analysis.human_and_model is not None
    assert analysis.confidence is not None
    assert analysis.confidence.left_out == 1
    assert 9 not in [level.highest for level in analysis.confidence.levels]
    shown = {test.condition for test in analysis.variant_tests} | {effect.condition for effect in analysis.smile}
    shown |= {group.condition for group in analysis.human_and_model.groups}
    shown |= {row.group.get("condition", "") for row in analysis.accuracies}
    shown |= {condition for row in analysis.confusions for condition in row.conditions}
    assert shown == {"", "22q11DS", "Angelman", "Noonan"}
    with pytest.raises(DatasetError):
        analyse_answers([one for one in answers if one.participant in ("P001", "P002")])


def test_variants_that_too_few_participants_saw_are_not_shown() -> None:
    answers = [
        replace(one, variant="edited" if one.participant in ("P001", "P002") else "reconstructed")
        for one in simulate_answers(PATEL.with_participants(6), Effects(), seed=1)
    ]
    analysis = analyse_answers(answers)
    assert not analysis.variant_tests
    assert [row.variant for row in analysis.confusions] == ["", "reconstructed"]
    assert [row.variant for row in analysis.agreement] == ["", "reconstructed"]


def test_the_classifier_is_compared_with_faces_as_units() -> None:
    answers = [
        Answer(f"P{p}", f"{f} {image}", f"f{f}", "WS", "unedited", "WS", options=("WS", "AS"))
        for p in range(3)
        for f in range(6)
        for image in range(2)
    ]
    wrong = {answer.image: {"WS": 0.4, "AS": 0.6} for answer in answers}
    assert compare_with_model(answers, wrong).groups[0].p == 2 / 2**6


def test_confidence_rises_with_right_answers() -> None:
    confidence = measure_confidence(simulate_answers(PATEL, Effects(face_sd=1.5), seed=2))
    assert confidence is not None
    assert confidence.discrimination is not None
    assert confidence.discrimination.low > 0.5
    assert [level.lowest for level in confidence.levels] == [1, 2, 3, 4, 5]
    assert confidence.levels[0].accuracy.value < confidence.levels[-1].accuracy.value
    assert measure_confidence([Answer("P", "i", "f", "WS", "edited", "WS")]) is None


def test_a_smile_that_decides_is_seen() -> None:
    answers = [
        Answer(f"P{p}", f"i{f}", f"f{f}", "WS", "edited", "WS" if f + p % 3 > 6 else "AS", smile=f / 12)
        for p in range(9)
        for f in range(12)
    ]
    answers += [replace(one, image=f"{one.image} again") for one in answers]
    [effect] = measure_smile(answers)
    assert effect.right > effect.wrong
    assert effect.published_p < 0.001
    assert effect.correlation is not None
    assert effect.correlation.value > 0.8
    assert effect.correlation.faces == 12
    assert effect.correlation_of_changes is None
    assert measure_smile([replace(one, smile=None) for one in answers]) == []


def test_a_classifier_is_reduced_to_the_options_and_compared_by_age(tmp_path: Path) -> None:
    answers = simulate_answers(DUONG_WS, Effects(), seed=4)
    images = {answer.image: answer.condition for answer in answers}
    # A third class is the most probable one, and no option: it does not count.
    lines = [f"{image},{'0.3,0.1' if truth == 'WS' else '0.1,0.3'},0.6" for image, truth in images.items()]
    (tmp_path / "model.csv").write_text("\n".join(["image,p:WS,p:other,p:22q11DS", *lines]))
    comparison = compare_with_model(answers, read_probabilities(tmp_path / "model.csv"))
    groups = {(group.condition, group.age_group): group for group in comparison.groups}
    assert len(groups) == 1 + 2 + 10
    whole = groups["", ""]
    assert whole.model == 1
    assert whole.p is not None
    assert max(whole.p, whole.published_p) < 0.001
    assert whole.human.low < 0.78 < whole.human.high
    infants = groups["WS", "infant"]
    assert infants.p is not None
    assert infants.holm is not None
    assert infants.images == 10
    assert infants.holm >= infants.p


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("image\na", "image"),
        ("image,p:WS\na,0.5\na,0.5", "'a'"),
        ("image,p:WS\na,1.5", "1.5"),
        ("image,p:WS\na,", "p:WS"),
        ("file,p:WS\na,0.5", "file"),
    ],
)
def test_a_broken_table_of_probabilities_is_refused(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "model.csv").write_text(text)
    with pytest.raises(DatasetError, match=named):
        read_probabilities(tmp_path / "model.csv")


def test_probabilities_that_do_not_fit_are_refused() -> None:
    answers = [Answer("P", "i", "f", "WS", "unedited", "AS", options=("WS", "AS"))]
    with pytest.raises(DatasetError, match="i"):
        compare_with_model(answers, {"j": {"WS": 1.0}})
    with pytest.raises(DatasetError, match="AS"):
        compare_with_model(answers, {"i": {"WS": 1.0}})
    with pytest.raises(DatasetError, match="0"):
        compare_with_model(answers, {"i": {"WS": 0.0, "AS": 0.0}})
    with pytest.raises(DatasetError):
        analyse_answers([])


def test_changes_of_the_smile_are_set_against_changes_of_the_answers() -> None:
    """Each face is as hard as another, and its edited picture the easier the more its smile grows."""
    answers = [
        Answer(f"P{p}", f"{variant}{f}", f"f{f}", "WS", variant, "WS" if p < right else "AS", smile=smile)
        for f in range(8)
        for variant, right, smile in (("reconstructed", 2, 0.9 - f / 10), ("edited", 2 + f, 0.9))
        for p in range(12)
    ]
    [effect] = measure_smile(answers)
    assert effect.correlation_of_changes is not None
    assert effect.correlation_of_changes.value == pytest.approx(1)
    assert effect.correlation_of_changes.p < 0.05
