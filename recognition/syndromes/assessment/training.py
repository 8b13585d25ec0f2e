"""Training of the models of one syndrome on matched patients and controls, with calibration and card."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DatasetError
from core.progress import SILENT, Progress
from recognition.syndromes.assessment.answer import Group
from recognition.syndromes.assessment.calibration import calibrate, calibrate_unseen
from recognition.syndromes.assessment.members import (
    TERM_MODELS,
    Floats,
    average_members,
    choose_models,
    name_face_alone,
    store_members,
)
from recognition.syndromes.assessment.model_files import ModelFigures, StoredModel, SyndromeCard
from recognition.syndromes.assessment.novelty_space import SPACES, NoveltySpace
from recognition.syndromes.cohorts.matching import Matching, MatchingRule
from recognition.syndromes.cohorts.person import Cohort, Person
from recognition.syndromes.cohorts.runs import FEWEST_PAIRS, draw_matchings
from recognition.syndromes.cohorts.scores import measure_scores
from recognition.syndromes.cohorts.term_counts import measure_term_counts
from recognition.syndromes.cohorts.validation import RepeatedFolds, predict_unseen
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import TERMS
from recognition.syndromes.models.face_and_terms import FaceAndTerms, count_terms, select_features
from recognition.syndromes.models.registry import ENSEMBLE, MODELS, list_blocks
from recognition.syndromes.models.terms_similarity import PUBLISHED_LEFT_OUT

_AGE_BAND: Final = 5  # years
_FEWEST_COUNTED: Final = 5
_FEWEST_FOR_QUARTILES: Final = 20
"""Persons below which quartiles of ages would be the ages of single ones."""


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training.

    Attributes:
        models: names of the models; empty for all that the features allow, without those that take long.
        draws: number of times that controls are drawn; models are trained on each draw, and their mean answers.
        folds: parts of the cross-validation.
        rule: ages of controls.
        flat: whether the points of the face are flat landmarks.
        seed: of all that is drawn.

    Raises:
        ConfigError: no draw, fewer than two folds, or an unknown model.
    """

    models: tuple[str, ...] = ()
    draws: int = 3
    folds: int = 5
    rule: MatchingRule = field(default_factory=MatchingRule)
    flat: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 1 or self.folds < 2:
            raise ConfigError(f"{self.draws} draws and {self.folds} folds; expected 1 or more, and 2 or more")
        for name in self.models:
            if name not in MODELS:
                raise ConfigError(f"there is no model {name!r}; expected some of {', '.join(MODELS)}")


@dataclass(frozen=True)
class Training:
    """Result of a training.

    Attributes:
        stored: the trained models.
        left_out: people who could not be used, with the reason.
    """

    stored: StoredModel
    left_out: tuple[tuple[Person, str], ...]


def train_models(
    cohort: Cohort,
    features: FaceFeatures,
    failures: Mapping[str, str],
    syndrome: str,
    settings: TrainingSettings,
    progress: Progress = SILENT,
) -> Training:
    """Train the models of a syndrome. The result does not depend on the order of the files.

    Args:
        cohort: people of a data set.
        features: of their faces.
        failures: reason for each file that has no features.
        syndrome: name of the syndrome.
        settings: of the training.
        progress: receives the number of models that are trained.

    Raises:
        DatasetError: nobody has the syndrome, or too few patients could be matched.
        ConfigError: the features do not allow a model that is named.
    """
    models = choose_models(features.layout, settings.models)
    rows, unusable = _find_rows(features, failures, models)
    matchings = match_patients(cohort, syndrome, settings, unusable)
    people = sorted({person for matching in matchings for person in matching.people})
    faces = features.take([rows[one.file] for one in people])
    place = {one: at for at, one in enumerate(people)}
    answers: dict[str, list[Floats]] = defaultdict(list)
    members = []
    with progress.bar("training models", len(models) * len(matchings)) as report:
        for draw, matching in enumerate(matchings):
            inside = [place[one] for one in matching.people]
            for name in models:
                estimator = MODELS[name](features.layout, settings.seed)
                predicted = _predict_all(estimator, faces, inside, matching, settings)
                members.append((name, draw, estimator))
                if name in TERM_MODELS and TERMS in features.layout:
                    alone = FaceAndTerms(features.layout, settings.seed, parts="face")
                    answers[name_face_alone(name)].append(_predict_all(alone, faces, inside, matching, settings))
                answers[name].append(predicted)
                report(len(members))
    means = {name: np.mean(parts, axis=0) for name, parts in answers.items()}
    ensemble = average_members(means)
    if ensemble is not None:
        means[ENSEMBLE] = ensemble
    labels = np.array([int(one.syndrome is not None) for one in people])
    unmatched = {patient: reason for matching in matchings for patient, reason in matching.unmatched}
    everybody = (*cohort.patients(syndrome), *cohort.controls)
    left_out = [(one, unusable[one.file]) for one in everybody if one.file in unusable]
    left_out += [(one, str(reason)) for one, reason in unmatched.items() if one not in place]
    return Training(_store(syndrome, people, labels, faces, means, members, left_out, settings), tuple(left_out))


def match_patients(
    cohort: Cohort, syndrome: str, settings: TrainingSettings, unusable: Mapping[str, str] = MappingProxyType({})
) -> tuple[Matching, ...]:
    """Match the patients of a syndrome with controls, once for each draw.

    Args:
        cohort: people of a data set.
        syndrome: name of the syndrome.
        settings: of the training.
        unusable: reason for each file that cannot be used. Without it the result tells, before any feature is
            computed, whether there are enough people.

    Raises:
        DatasetError: nobody has the syndrome, or too few patients could be matched.
    """
    everybody = cohort.patients(syndrome)
    patients = [one for one in everybody if one.file not in unusable]
    controls = [one for one in cohort.controls if one.file not in unusable]
    matchings = draw_matchings(patients, controls, settings.draws, rule=settings.rule, seed=settings.seed)
    worst = min(matchings, key=lambda matching: len(matching.pairs))
    if len(worst.pairs) < FEWEST_PAIRS:
        reasons = Counter([unusable[one.file] for one in everybody if one.file in unusable])
        reasons.update(str(reason) for _, reason in worst.unmatched)
        raise DatasetError(
            f"{len(worst.pairs)} of {len(everybody)} patients with {syndrome} have a face and a control; "
            f"expected {FEWEST_PAIRS} or more" + "".join(f"; {reason}: {count}" for reason, count in reasons.items())
        )
    return tuple(matchings)


def _find_rows(
    features: FaceFeatures, failures: Mapping[str, str], models: Sequence[str]
) -> tuple[dict[str, int], dict[str, str]]:
    """Return the row of each file that has all blocks of the models, and the reason for each other file."""
    blocks = sorted({block for name in models for block in list_blocks(name, features.layout)} | set(SPACES))
    complete = features.complete(blocks)
    rows = {file: row for row, file in enumerate(features.files) if complete[row]}
    unusable = dict(failures)
    unusable |= {
        file: features.gaps.get(file, "a block of the features is missing")
        for file in features.files
        if file not in rows
    }
    return rows, unusable


def _predict_all(
    estimator: Any, faces: FaceFeatures, inside: Sequence[int], matching: Matching, settings: TrainingSettings
) -> Floats:
    """Fit an estimator to one draw, and return answers for everybody by models that did not see the person."""
    X, labels = faces.X[inside], matching.labels
    scheme = RepeatedFolds(settings.folds, repeats=1)
    unseen = predict_unseen(estimator, X, labels, scheme, settings.seed, matching.pair_numbers)
    answers = np.asarray(estimator.fit(X, labels).predict_proba(faces.X)[:, 1], np.float64)
    answers[inside] = unseen
    return answers


def _store(
    syndrome: str,
    people: Sequence[Person],
    labels: npt.NDArray[np.int64],
    faces: FaceFeatures,
    answers: Mapping[str, Floats],
    members: Sequence[tuple[str, int, Any]],
    left_out: Sequence[tuple[Person, str]],
    settings: TrainingSettings,
) -> StoredModel:
    arrays, listed = store_members(members)
    methods, figures = {}, {}
    for name, answer in answers.items():
        rows = _find_described(faces, labels) if name in TERM_MODELS else np.arange(len(labels))
        calibration = calibrate(answer[rows], labels[rows])
        methods[name] = calibration.method
        arrays |= {f"calibration/{name}/{part}": getattr(calibration, part) for part in ("probability", "low", "high")}
        figures[name] = _measure(answer[rows], labels[rows], calibration.method, settings.seed)
    spaces = {name: NoveltySpace.fit(name, faces.block(name)) for name in SPACES}
    for name, space in spaces.items():
        arrays |= {f"space/{name}/faces": space.faces, f"space/{name}/nearest": space.nearest}
    arrays["patients"] = labels
    card = SyndromeCard(
        syndrome=syndrome,
        patients=describe_group([one for one in people if one.syndrome is not None]),
        controls=describe_group([one for one in people if one.syndrome is None]),
        unmatched=dict(sorted(Counter(reason for one, reason in left_out if one.syndrome is not None).items())),
        draws=settings.draws,
        folds=settings.folds,
        ancestry_matched=any(one.ancestry for one in people),
        age_tolerance=(settings.rule.lower, settings.rule.upper),
        figures=figures,
        novelty_limits={name: space.limit for name, space in spaces.items()},
        software=f"gestaltgen {version('gestaltgen')}",
        created=datetime.now(UTC).date().isoformat(),
        term_counts=measure_term_counts(labels, count_terms(faces)) if TERMS in faces.layout else None,
    )
    stored = {"members": listed, "calibrations": methods, "flat": settings.flat, "features": faces.computation}
    return StoredModel(card, arrays, stored)


def _find_described(faces: FaceFeatures, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the rows of the people with HPO terms that count; of everybody if these are too few of either group."""
    _, has = select_features(faces.X, faces.layout, PUBLISHED_LEFT_OUT)
    described = np.flatnonzero(has.any(axis=1))
    enough = min((labels[described] == label).sum() for label in (0, 1)) >= FEWEST_PAIRS
    return described if enough else np.arange(len(labels))


def _measure(answers: Floats, labels: npt.NDArray[np.int64], method: str, seed: int) -> ModelFigures:
    probabilities = calibrate_unseen(answers, labels, seed)
    ranked, called = measure_scores(labels, answers), measure_scores(labels, probabilities)
    errors = (probabilities - labels) ** 2
    brier = float((errors[labels == 1].mean() + errors[labels == 0].mean()) / 2)
    return ModelFigures(ranked.auc, called.sensitivity, called.specificity, brier, method)


def describe_group(people: Sequence[Person]) -> Group:
    """Describe people in numbers that tell the age, sex or ancestry of nobody."""
    ages = np.array([one.age for one in people])
    youngest, oldest = ages.min() // _AGE_BAND * _AGE_BAND, (ages.max() // _AGE_BAND + 1) * _AGE_BAND
    quartiles = np.floor(np.quantile(ages, (0.25, 0.5, 0.75))) if len(ages) >= _FEWEST_FOR_QUARTILES else ()
    return Group(
        len(people),
        _count_values([one.sex for one in people]),
        _count_values([one.ancestry for one in people if one.ancestry]),
        tuple(map(float, (youngest, *quartiles, oldest))),
    )


def _count_values(values: Sequence[str]) -> dict[str, int]:
    """Count each value, but none of fewer than `_FEWEST_COUNTED`, nor one from which such a number would follow."""
    counts = Counter(values).most_common()
    while counts and (counts[-1][1] < _FEWEST_COUNTED or 0 < len(values) - sum(n for _, n in counts) < _FEWEST_COUNTED):
        counts.pop()
    return dict(sorted(counts))
