"""Comparison of all models on a data set: the plan, the questions to the models, and the summary."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from core.errors import DatasetError
from core.progress import SILENT, Progress
from recognition.syndromes.cohorts.matching import Matching
from recognition.syndromes.cohorts.person import Cohort
from recognition.syndromes.cohorts.runs import (
    FEWEST_PAIRS,
    RunResult,
    RunSummary,
    draw_matchings,
    match_syndromes,
    summarise,
)
from recognition.syndromes.cohorts.scores import THRESHOLD, measure_scores
from recognition.syndromes.cohorts.term_counts import TermCounts, measure_term_counts
from recognition.syndromes.comparison.people import read_people
from recognition.syndromes.comparison.settings import ComparisonSettings
from recognition.syndromes.comparison.tasks import (
    Answer,
    ImportanceTask,
    PermutationTask,
    PredictionTask,
    Task,
    answer_tasks,
)
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import TERMS
from recognition.syndromes.models.ensemble import average_probabilities, vote
from recognition.syndromes.models.face_and_terms import count_terms, list_unusable_terms
from recognition.syndromes.models.registry import list_blocks

ANSWERS: Final = "answers"
"""Folder, within that of a comparison, of the answers of the models."""

DISTANCES: Final = "distances"
"""Name of the model whose most important distances are drawn."""

_REFITTED: Final = 4
"""A model that is fitted anew for each labelling is tested with a fourth of the labellings."""


@dataclass(frozen=True)
class Matched:
    """Patients with one syndrome and their matched controls, for one model in one run.

    Attributes:
        syndrome: name.
        opponent: syndrome whose patients are the controls; None if the controls are.
        run: number, from 0.
        model: name.
        matching: pairs, and patients without control.
        rows: rows of the features of `matching.people`.
    """

    syndrome: str
    opponent: str | None
    run: int
    model: str
    matching: Matching
    rows: tuple[int, ...]

    def list_tasks(self, settings: ComparisonSettings) -> Iterator[Task]:
        """Yield the questions to the models."""
        seed = settings.seed + self.run
        schemes = settings.list_schemes(self.opponent)
        for member in settings.find_members(self.model):
            for scheme in schemes:
                yield PredictionTask(member, self.rows, seed, scheme)
        if self.opponent is None and settings.tests(self.model):
            yield self.make_test(settings)
        if self.opponent is None and self.run == 0 and self.model == DISTANCES:
            yield self.make_importance(settings)

    def make_test(self, settings: ComparisonSettings) -> PermutationTask:
        """Make the question for the p-value."""
        refitted = self.model != "neighbours"
        permutations = -(-settings.permutations // _REFITTED) if refitted else settings.permutations
        return PermutationTask(self.model, self.rows, settings.seed + self.run, permutations)

    def make_importance(self, settings: ComparisonSettings) -> ImportanceTask:
        """Make the question for the most important distances."""
        return ImportanceTask(self.model, self.rows, settings.seed + self.run)


@dataclass(frozen=True)
class Result:
    """Result of one model for one syndrome against controls, or against another syndrome.

    Attributes:
        scheme: of validation.
        runs: results by run.
        seconds: processor time of the predictions, those of the ensemble's members included.
    """

    syndrome: str
    opponent: str | None
    model: str
    scheme: str
    runs: tuple[RunResult, ...]
    seconds: float

    @property
    def summary(self) -> RunSummary:
        """Scores over the runs."""
        return summarise(self.runs)


@dataclass(frozen=True)
class LeftOut:
    """Syndrome that is not compared.

    Attributes:
        syndrome: name.
        patients: number of patients whose records can be used.
        reason: in words.
        models: those that leave it out; empty for all.
    """

    syndrome: str
    patients: int
    reason: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Comparison of all models on a data set.

    Attributes:
        settings: of the comparison.
        cohort: people whose faces could be represented; its problems are those of the table and of the photographs.
        matched: all matchings, with the rows of the features.
        results: of all models.
        left_out: syndromes with too few patients or pairs, for all models or some.
        gaps: files whose faces some models cannot take, with the reason.
        unusable_terms: file and reason of each HPO term that does not count.
        term_counts: by syndrome, numbers of terms in the first run; empty without terms.
        important: syndrome -> the most important distances, as `ImportanceTask` answers; empty without that model.
    """

    settings: ComparisonSettings
    cohort: Cohort
    matched: tuple[Matched, ...]
    results: tuple[Result, ...]
    left_out: tuple[LeftOut, ...]
    gaps: Mapping[str, str]
    unusable_terms: Sequence[tuple[str, str]]
    term_counts: Mapping[str, TermCounts]
    important: Mapping[str, Answer]


def compare_syndromes(
    dataset: Path,
    out: Path,
    settings: ComparisonSettings | None = None,
    *,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Comparison:
    """Compare all models on the faces of a data set. What the folder holds is not computed again.

    Args:
        dataset: folder or zip with the columns condition, person, sex, ancestry and age_years.
        out: folder in which features and answers are kept. They are personal data.
        workers: number of processes.
        progress: receives a line for each syndrome that is left out.

    Raises:
        DatasetError: nobody can be compared.
    """
    settings = settings or ComparisonSettings()
    cohort, features = read_people(dataset, out, settings, FEWEST_PAIRS, flat=settings.flat, progress=progress)
    return compare_features(cohort, features, out, settings, workers=workers, progress=progress)


def compare_features(
    cohort: Cohort,
    features: FaceFeatures,
    out: Path,
    settings: ComparisonSettings,
    *,
    workers: int = 1,
    progress: Progress = SILENT,
) -> Comparison:
    """Compare all models on people whose features are known; see `compare_syndromes`."""
    settings = settings.choose_models(features.layout)
    matched, left_out = plan_comparison(cohort, features, settings)
    for one in left_out:
        by = f" by {', '.join(one.models)}" if one.models else ""
        progress.say(f"{one.syndrome} is left out{by}: {one.reason}")
    if not matched:
        reasons = "; ".join(f"{one.syndrome}: {one.reason}" for one in left_out[:3]) or "there are no patients"
        raise DatasetError(f"nobody can be compared; {reasons}")
    tasks = [task for one in matched for task in one.list_tasks(settings)]
    answers = answer_tasks(features, tasks, out / ANSWERS, workers, progress)
    results = tuple(_summarise(matched, answers, settings))
    important = {
        one.syndrome: answers[one.make_importance(settings)]
        for one in matched
        if one.make_importance(settings) in answers
    }
    return Comparison(
        settings,
        cohort,
        matched,
        results,
        left_out,
        features.gaps,
        list_unusable_terms(features),
        _count_terms(matched, features),
        important,
    )


def _count_terms(matched: Sequence[Matched], features: FaceFeatures) -> dict[str, TermCounts]:
    """Measure the numbers of HPO terms of each syndrome's patients and their controls in the first run."""
    if TERMS not in features.layout:
        return {}
    counts = count_terms(features)
    return {
        one.syndrome: measure_term_counts(one.matching.labels, counts[list(one.rows)], one.matching.pair_numbers)
        for one in matched
        if one.opponent is None and one.run == 0
    }


def plan_comparison(
    cohort: Cohort, features: FaceFeatures, settings: ComparisonSettings
) -> tuple[tuple[Matched, ...], tuple[LeftOut, ...]]:
    """Match the people of each syndrome for each model and run, and then those of each pair of syndromes.

    A model is asked only about people whose features it can take. The second of two syndromes takes the place of the
    controls.

    Returns:
        Matchings of `FEWEST_PAIRS` pairs or more, and syndromes that have fewer in some run, or too few patients.
    """
    rows = {file: row for row, file in enumerate(features.files)}
    counts = {name: len(cohort.patients(name)) for name in cohort.syndromes}
    left_out = [LeftOut(name, 0, "no record of a patient can be used") for name in cohort.absent]
    left_out += [
        LeftOut(name, count, f"{count} patients; expected {settings.least_patients} or more")
        for name, count in counts.items()
        if count < settings.least_patients
    ]
    compared = [name for name, count in counts.items() if count >= settings.least_patients]

    usable = {model: _find_usable(features, settings.find_members(model)) for model in settings.models}
    plans = {files: _match_people(cohort, files, compared, settings) for files in set(usable.values())}
    matched: list[Matched] = []
    without: dict[tuple[str, str], list[str]] = defaultdict(list)
    for model, files in usable.items():
        for (syndrome, opponent), matchings in plans[files].items():
            worst = min(matchings, key=lambda one: len(one.pairs))
            if len(worst.pairs) >= FEWEST_PAIRS:
                for run, matching in enumerate(matchings):
                    people = tuple(rows[one.file] for one in matching.people)
                    matched.append(Matched(syndrome, opponent, run, model, matching, people))
            elif opponent is None:
                without[syndrome, f"{worst.describe()}; expected {FEWEST_PAIRS} or more"].append(model)
        for syndrome in compared:
            if (syndrome, None) not in plans[files]:
                reason = f"too few of {counts[syndrome]} patients have the features; expected {settings.least_patients}"
                without[syndrome, f"{reason} or more"].append(model)
    for (syndrome, reason), models in without.items():
        some = tuple(models) if len(models) < len(settings.models) else ()
        left_out.append(LeftOut(syndrome, counts[syndrome], reason, some))
    return tuple(sorted(matched, key=lambda one: (one.opponent or "", one.syndrome))), tuple(left_out)


def _match_people(
    cohort: Cohort, files: Collection[str], syndromes: Sequence[str], settings: ComparisonSettings
) -> dict[tuple[str, str | None], list[Matching]]:
    """Match the people of some files: by syndrome and opponent (None for controls), the matching of each run.

    Syndromes of which too few patients are among them are not matched.
    """
    rule, method, seed = settings.rule, settings.method, settings.seed
    counts = Counter(one.syndrome for one in cohort.persons if one.file in files)
    names = {None, *(name for name in syndromes if counts[name] >= settings.least_patients)}
    usable = Cohort(tuple(one for one in cohort.persons if one.file in files and one.syndrome in names))
    plans: dict[tuple[str, str | None], list[Matching]] = {
        (name, None): draw_matchings(
            usable.patients(name), usable.controls, settings.runs, rule=rule, method=method, seed=seed
        )
        for name in usable.syndromes
    }
    if settings.opponents:
        for first, second, versus in match_syndromes(usable, rule=rule, method=method, seed=seed):
            if versus is not None:
                plans[first, second] = [versus]
    return plans


def _find_usable(features: FaceFeatures, members: Sequence[str]) -> frozenset[str]:
    """Return the files whose features all of these models can take."""
    blocks = {block for member in members for block in list_blocks(member, features.layout)}
    return frozenset(np.array(features.files)[features.complete(blocks)].tolist())


def _summarise(
    matched: Sequence[Matched], answers: Mapping[Task, Answer], settings: ComparisonSettings
) -> Iterator[Result]:
    """Yield the result of each model, for each syndrome and its controls or opponents, by each scheme."""
    together: dict[tuple[str, str | None, str], list[Matched]] = {}
    for one in matched:
        together.setdefault((one.syndrome, one.opponent, one.model), []).append(one)
    for (syndrome, opponent, model), runs in together.items():
        for scheme in settings.list_schemes(opponent):
            given = [[*_collect_members(run, scheme, answers, settings)] for run in runs]
            results = tuple(_measure_run(*pair, answers, settings) for pair in zip(runs, given, strict=True))
            seconds = sum(answer["seconds"] for members in given for answer in members)
            yield Result(syndrome, opponent, model, scheme, results, seconds)


def _collect_members(
    one: Matched, scheme: str, answers: Mapping[Task, Answer], settings: ComparisonSettings
) -> Iterator[Answer]:
    """Yield the answers of the models whose predictions are combined."""
    for member in settings.find_members(one.model):
        yield answers[PredictionTask(member, one.rows, settings.seed + one.run, scheme)]


def _measure_run(
    one: Matched, given: Sequence[Answer], answers: Mapping[Task, Answer], settings: ComparisonSettings
) -> RunResult:
    each = np.array([answer["probabilities"] for answer in given])
    probabilities = average_probabilities(each)
    labels, pairs = one.matching.labels, one.matching.pair_numbers
    scores = measure_scores(labels, probabilities, pairs)
    if len(each) > 2:  # the ensemble predicts the mode of its members' predictions; two of them have none
        votes = measure_scores(labels, vote((each > THRESHOLD).astype(np.int64)).astype(float), pairs)
        scores = replace(scores, sensitivity=votes.sensitivity, specificity=votes.specificity)
    tested = one.opponent is None and settings.tests(one.model)
    test = answers[one.make_test(settings)] if tested else {}
    return RunResult(one.matching, probabilities, scores, test.get("p"), test.get("area"))
