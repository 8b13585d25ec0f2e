"""Experiment on what HPO terms add to the face, on the level of the test, and on what uneven descriptions do.

The terms of a person are drawn by their frequency in the condition, and a clinician writes down some of them, part of
them by a parent. They are terms that are not facial; given the condition, they do not depend on the face.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from core.atomic_files import write_file
from core.json_text import to_json_text
from core.progress import Progress
from experiments.syndromes.people import CONTROLS, OTHER_CAUSES, SYNDROMES, Syndrome, write_cohort
from faces.conditions.ontology import ROOT, load_ontology
from faces.datasets.dataset import Dataset
from recognition.syndromes.cohorts.matching import match
from recognition.syndromes.cohorts.permutation import permute_labels, score_estimator
from recognition.syndromes.cohorts.person import read_cohort
from recognition.syndromes.cohorts.scores import compute_auc, summarise_runs
from recognition.syndromes.cohorts.validation import RepeatedFolds, predict_unseen
from recognition.syndromes.features.extraction import extract
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import DESCRIPTOR, Layout
from recognition.syndromes.models.face_and_terms import FaceAndTerms, Parts

CLINICAL_TERMS_FILE: Final = Path(__file__).with_name("clinical_terms.json")
"""Terms of the conditions that are not facial, with their frequency, built by `experiments.condition_catalogue`."""

SEED: Final = 2906
UNKNOWN_FREQUENCY: Final = 0.17
"""Frequency of a term whose frequency the annotations do not say: that of an occasional one."""

_PARENT: Final = 0.3  # part of the terms that are written down by their parent
_FACE: Final = 128  # numbers of a simulated descriptor
_FOLDS: Final = RepeatedFolds(5, 1)
_ORDER: Final[tuple[Parts, ...]] = ("face", "terms", "both")

Frequencies = Mapping[str, float]


@dataclass(frozen=True)
class TermsScale:
    """Size of the experiments.

    Attributes:
        runs: number of times that controls are drawn anew.
        described: mean numbers of terms that are written down.
        cohorts: simulated cohorts.
        permutations: random labellings of each of them.
        syndromes: syndromes of phantoms.
        strength: how strongly their facial features are drawn, so that the face alone leaves something to add.
        patients, controls: people of each of them at most, and controls.
    """

    runs: int = 3
    described: tuple[int, ...] = (3, 6, 12)
    cohorts: int = 300
    permutations: int = 9
    syndromes: tuple[str, ...] = ("KDVS", "22q11DS", "EHMT1", "CDK13")
    strength: float = 0.1
    patients: int = 45
    controls: int = 200


FULL: Final = TermsScale()
QUICK: Final = TermsScale(1, (6,), 4, 3, ("EHMT1",), patients=6, controls=24)


def load_frequencies() -> dict[str, Frequencies]:
    """Load the frequency of the clinical terms of each condition, and their mean under the name CONTROLS."""
    loaded = json.loads(CLINICAL_TERMS_FILE.read_text(encoding="utf-8"))
    conditions = {
        name: {term: UNKNOWN_FREQUENCY if value is None else value for term, value in terms.items()}
        for name, terms in loaded.items()
    }
    every = sorted({term for terms in conditions.values() for term in terms})
    mean = {term: sum(terms.get(term, 0.0) for terms in conditions.values()) / len(conditions) for term in every}
    return conditions | {CONTROLS: mean}


def describe_person(frequencies: Frequencies, described: float, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw the terms that are written down of a person: one or more, `described` on average if there are so many."""
    terms = np.array(list(frequencies))
    present = terms[rng.random(len(terms)) < np.array(list(frequencies.values()))]
    noted = rng.permutation(present)[: 1 + rng.poisson(described - 1)]
    parents = load_ontology().parents
    by_parent = rng.random(len(noted)) < _PARENT
    return tuple(
        parents[term][0] if coarse and parents[term][0] != ROOT else str(term)
        for term, coarse in zip(noted, by_parent, strict=True)
    )


@dataclass(frozen=True)
class Addition:
    """Areas of one syndrome.

    Attributes:
        pairs: matched patients and controls.
        described: mean number of terms that are written down.
        areas: by part of the model, of each run.
    """

    syndrome: str
    pairs: int
    described: int
    areas: Mapping[str, Sequence[float]]


def measure_addition(out: Path, scale: TermsScale, progress: Progress) -> list[Addition]:
    """Measure the areas of face, of terms and of both for each syndrome of phantoms, and write addition.json."""
    syndromes = {
        name: Syndrome(min(one.patients, scale.patients), scale.strength)
        for name, one in SYNDROMES.items()
        if name in scale.syndromes
    }
    path = out / "people.zip"
    write_cohort(path, SEED, syndromes, scale.controls)
    with Dataset.open(path) as data:
        records = data.records
        faces, failures = extract(data, flat=True, cache=out / "features", progress=progress)
    cohort = read_cohort(record for record in records if record.file not in failures)
    known = load_frequencies()
    controls = [record.file for record in records if record.condition == CONTROLS]
    causes = {file: OTHER_CAUSES[i // 2 % len(OTHER_CAUSES)] if i % 2 else CONTROLS for i, file in enumerate(controls)}
    condition = {record.file: causes.get(record.file, str(record.condition)) for record in records}
    rows = {file: row for row, file in enumerate(faces.files)}
    results = []
    for described in scale.described:
        rng = np.random.default_rng([SEED, described])
        terms = [describe_person(known[condition[file]], described, rng) for file in faces.files]
        plain = FaceFeatures(faces.files, faces.block(DESCRIPTOR), Layout(((DESCRIPTOR, _FACE),)))
        features = plain.with_terms(terms)
        for name in syndromes:
            areas: dict[str, list[float]] = {part: [] for part in _ORDER}
            for run in range(scale.runs):
                matching = match(cohort.patients(name), cohort.controls, seed=run)
                people = [rows[person.file] for pair in matching.pairs for person in pair]
                pairs = np.arange(len(people)) // 2
                X, y = features.X[people], 1 - np.arange(len(people)) % 2
                for part in _ORDER:
                    model = FaceAndTerms(features.layout, parts=part)
                    areas[part].append(float(compute_auc(y, predict_unseen(model, X, y, _FOLDS, run, pairs))))
            results.append(Addition(name, len(people) // 2, described, areas))
    _keep(out / "addition.json", [asdict(one) for one in results])
    return results


def format_addition(results: Sequence[Addition]) -> str:
    """Format the areas, their mean and deviation over the runs, as a Markdown table."""
    lines = ["| syndrome | pairs | face | terms written down | terms | face and terms |", "|---|---|---|---|---|---|"]
    for one in results:
        spreads = {part: summarise_runs(areas) for part, areas in one.areas.items()}
        face, terms, both = (f"{spreads[part].mean:.2f} ({spreads[part].deviation:.2f})" for part in _ORDER)
        lines.append(f"| {one.syndrome} | {one.pairs} | {face} | {one.described} | {terms} | {both} |")
    return "\n".join(lines) + "\n"


def draw_cohort(rng: np.random.Generator, pairs: int, patients: float, controls: float) -> FaceFeatures:
    """Draw patients and controls by turns who do not differ, with so many terms written down of each group."""
    pool = load_frequencies()[CONTROLS]
    terms = [describe_person(pool, number, rng) for _ in range(pairs) for number in (patients, controls)]
    faces = rng.normal(size=(2 * pairs, _FACE)).astype(np.float32)
    files = tuple(f"{index:03}.png" for index in range(2 * pairs))
    return FaceFeatures(files, faces, Layout(((DESCRIPTOR, _FACE),))).with_terms(terms)


def measure_level(out: Path, scale: TermsScale) -> list[float]:
    """Compute the p-values of cohorts of 10 pairs without a difference, and write level.json."""
    p_values = []
    for index in range(scale.cohorts):
        features = draw_cohort(np.random.default_rng([SEED, 1, index]), 10, 6, 6)
        y, pairs = 1 - np.arange(20) % 2, np.arange(20) // 2
        score = score_estimator(FaceAndTerms(features.layout), features.X, pairs, _FOLDS, index)
        p_values.append(permute_labels(score, y, pairs, permutations=scale.permutations, seed=index).p)
    _keep(out / "level.json", p_values)
    return p_values


def format_level(p_values: Sequence[float]) -> str:
    """Format the shares of p-values up to some levels as a Markdown table."""
    p = np.array(p_values)
    cells = [f"| {level} | {np.mean(p <= level + 1e-9):.3f} |" for level in (0.1, 0.2, 0.3, 0.5, 0.7)]
    return "\n".join(["| level | share of p-values |", "|---|---|", *cells]) + "\n"


@dataclass(frozen=True)
class Effort:
    """Areas of cohorts whose people do not differ, with terms written down of patients and of controls.

    Attributes:
        patients, controls: mean numbers of terms.
        areas: of the terms alone, by cohort.
        one_sided: of the terms alone with the one-sided similarity, by cohort.
        counts: of the number of terms alone, by cohort.
    """

    patients: int
    controls: int
    areas: tuple[float, ...]
    one_sided: tuple[float, ...]
    counts: tuple[float, ...]


def measure_effort(out: Path, scale: TermsScale) -> list[Effort]:
    """Measure what it does if patients are described more thoroughly than controls, and write effort.json."""
    efforts = []
    y, pairs = 1 - np.arange(60) % 2, np.arange(60) // 2
    for patients, controls in ((6, 6), (8, 6), (12, 6), (6, 3)):
        areas: dict[bool, list[float]] = {False: [], True: []}
        counts = []
        for index in range(max(scale.cohorts // 15, 1)):
            features = draw_cohort(np.random.default_rng([SEED, 2, index]), 30, patients, controls)
            counts.append(float(compute_auc(y, features.X[:, _FACE:].sum(axis=1))))
            for one_sided, values in areas.items():
                model = FaceAndTerms(features.layout, parts="terms", left_out=(), one_sided=one_sided)
                values.append(float(compute_auc(y, predict_unseen(model, features.X, y, _FOLDS, index, pairs))))
        efforts.append(Effort(patients, controls, tuple(areas[False]), tuple(areas[True]), tuple(counts)))
    _keep(out / "effort.json", [asdict(one) for one in efforts])
    return efforts


def format_effort(efforts: Sequence[Effort]) -> str:
    """Format the areas as a Markdown table."""
    lines = ["| terms of patients | of controls | their number | published | one-sided |", "|---|---|---|---|---|"]
    for one in efforts:
        spreads = [summarise_runs(values) for values in (one.counts, one.areas, one.one_sided)]
        cells = (f"{spread.mean:.2f} ({spread.deviation:.2f})" for spread in spreads)
        lines.append(f"| {one.patients} | {one.controls} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _keep(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, (to_json_text(value) + "\n").encode())
