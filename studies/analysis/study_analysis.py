"""Analysis of all answers of a study: what `gestaltgen study analyse` computes and writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from core.errors import DatasetError
from core.reports.versions import list_versions
from core.statistics.multiple_tests import holm
from studies.analysis.accuracy import Accuracy, Confusion, count_confusions, list_small_groups, measure_accuracies
from studies.analysis.agreement import Agreement, measure_agreement
from studies.analysis.bootstrap import bootstrap_difference
from studies.analysis.comparison import Comparison, compare_crossed
from studies.analysis.confidence import Confidence, measure_confidence
from studies.analysis.crossed_answers import cross_answers
from studies.analysis.estimates import Estimate
from studies.analysis.human_and_model import HumanAndModel, Probabilities, compare_with_model
from studies.analysis.permutation import permute_variants
from studies.analysis.published import published_t_test
from studies.analysis.smile import SmileEffect, measure_smile
from studies.answers.table import FEWEST, Answer, is_shown, list_variants

NOTICE: Final = "Pictures may be synthetic or edited. No basis for a diagnosis."


@dataclass(frozen=True)
class VariantTests:
    """Tests of two variants, on all faces or on those of one condition.

    Attributes:
        condition: of the faces; empty for all.
        variants: first and second.
        correct, answers: counts of the first and of the second variant.
        published_p: of `published_t_test`, which ignores participants and faces.
        comparison: the recommended analysis; None if the answers do not allow it.
        problem: reason for that; empty if there is none.
        holm: p of the comparison, corrected for the number of conditions; None for all faces together.
        permutation_p: of `permute_variants`, within these participants and faces.
        bootstrap: difference in accuracy, with participants and faces drawn again.
    """

    condition: str
    variants: tuple[str, str]
    correct: tuple[int, int]
    answers: tuple[int, int]
    published_p: float
    comparison: Comparison | None
    problem: str
    holm: float | None
    permutation_p: float | None
    bootstrap: Estimate | None


@dataclass(frozen=True)
class StudyAnalysis:
    """Analysis of the answers of a study; it contains no answer of a single person.

    Attributes:
        left_out: groups of fewer than FEWEST participants, such as {"condition": "WS"}; no result shows them.
    """

    answers: int
    participants: int
    faces: int
    images: int
    left_out: tuple[Mapping[str, str], ...]
    accuracies: tuple[Accuracy, ...]
    confusions: tuple[Confusion, ...]
    variant_tests: tuple[VariantTests, ...]
    confidence: Confidence | None
    smile: tuple[SmileEffect, ...]
    agreement: tuple[Agreement, ...]
    human_and_model: HumanAndModel | None
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return all numbers as JSON-able values."""
        return {"notice": NOTICE, "versions": list_versions(), **asdict(self)}


def analyse_answers(
    answers: Sequence[Answer],
    probabilities: Probabilities | None = None,
    *,
    seed: int = 0,
) -> StudyAnalysis:
    """Analyse the answers of a study.

    Args:
        probabilities: of a classifier for the same images, or None.
        seed: of the bootstraps and permutations.

    Raises:
        DatasetError: fewer than FEWEST participants, or the probabilities do not fit the answers.
    """
    participants = len({answer.participant for answer in answers})
    if not is_shown(answers):
        raise DatasetError(
            f"answers of {participants} participants; expected {FEWEST} or more, so that no result is that of a person"
        )
    model = None if probabilities is None else compare_with_model(answers, probabilities, seed=seed)
    return StudyAnalysis(
        answers=len(answers),
        participants=participants,
        faces=len({answer.face for answer in answers}),
        images=len({answer.image for answer in answers}),
        left_out=tuple(list_small_groups(answers)),
        variant_tests=tuple(_test_variants(answers, seed)),
        human_and_model=model,
        accuracies=tuple(measure_accuracies(answers)),
        confusions=tuple(count_confusions(answers)),
        confidence=measure_confidence(answers),
        smile=tuple(measure_smile(answers, seed=seed)),
        agreement=tuple(measure_agreement(answers, seed=seed)),
        seed=seed,
    )


def _test_variants(answers: Sequence[Answer], seed: int) -> list[VariantTests]:
    """Test every variant against the first one that the answers have, over all faces and by condition."""
    first, *others = list_variants(answer.variant for answer in answers)
    conditions = sorted({answer.condition for answer in answers})
    tests = []
    for second in others:
        if (whole := _test_pair(answers, "", (first, second), seed)) is not None:
            tests.append(whole)
        if len(conditions) > 1:
            rows = [_test_pair(answers, condition, (first, second), seed) for condition in conditions]
            tests += _correct_by_holm([row for row in rows if row is not None])
    return tests


def _correct_by_holm(rows: Sequence[VariantTests]) -> list[VariantTests]:
    corrected = iter(holm([row.comparison.p for row in rows if row.comparison is not None]))
    return [row if row.comparison is None else replace(row, holm=next(corrected)) for row in rows]


def _test_pair(answers: Sequence[Answer], condition: str, variants: tuple[str, str], seed: int) -> VariantTests | None:
    """Test two variants; None if too few participants saw one of them for results to be shown."""
    chosen = [one for one in answers if one.variant in variants and condition in ("", one.condition)]
    first, second = ([one for one in chosen if one.variant == variant] for variant in variants)
    if not is_shown(first) or not is_shown(second):
        return None
    correct = sum(one.correct for one in first), sum(one.correct for one in second)
    counts = len(first), len(second)
    tests = VariantTests(
        condition,
        variants,
        correct,
        counts,
        published_p=published_t_test(correct[0], counts[0], correct[1], counts[1]),
        comparison=None,
        problem="",
        holm=None,
        permutation_p=None,
        bootstrap=None,
    )
    try:
        crossed = cross_answers(chosen, variants)
        tests = replace(
            tests,
            permutation_p=permute_variants(crossed, seed=seed),
            bootstrap=bootstrap_difference(crossed, seed=seed),
        )
        return replace(tests, comparison=compare_crossed(crossed, variants))
    except DatasetError as error:
        return replace(tests, problem=str(error))
