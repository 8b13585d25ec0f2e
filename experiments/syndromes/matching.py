"""Experiment on what matching prevents: patients whose faces do not differ, but who are mostly small boys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from core.atomic_files import write_file
from core.json_text import to_json_text
from core.progress import Progress
from experiments.syndromes.people import CONTROLS, SIZE, draw_controls, draw_person
from faces.conditions.catalogue import Condition
from faces.datasets.dataset import Dataset
from faces.phantoms.phantom_dataset import write_phantoms
from recognition.syndromes.cohorts.matching import Matching, MatchingRule, match
from recognition.syndromes.cohorts.person import Cohort, Person, read_cohort
from recognition.syndromes.cohorts.scores import compute_auc, summarise_runs
from recognition.syndromes.comparison.tasks import PredictionTask, answer_tasks
from recognition.syndromes.features.extraction import extract
from recognition.syndromes.features.layout import POINTS

SEED: Final = 2903
RESULTS: Final = "matching.json"
INVISIBLE: Final = "invisible"
_AGES: Final = (2, 3, 4, 5)
_BOYS: Final = 0.8
_ANY_AGE: Final = MatchingRule(0, 1e6)


@dataclass(frozen=True)
class MatchingScale:
    """Size of the experiment: patients, controls, redrawn runs, and models."""

    patients: int = 40
    controls: int = 370
    runs: int = 5
    models: tuple[str, ...] = ("neighbours", "distances", "hybrid")


FULL: Final = MatchingScale()
QUICK: Final = MatchingScale(12, 80, 2, ("neighbours",))


@dataclass(frozen=True)
class MatchingResult:
    """Area of a model where nothing can be recognised but age and sex; 0.5 would be right.

    Attributes:
        matched_by: what patients and controls have in common.
        pairs: mean number of pairs.
        auc: mean over the runs, and deviation.
    """

    matched_by: str
    model: str
    pairs: float
    auc: tuple[float, float]


def measure_matching(out: Path, scale: MatchingScale, workers: int, progress: Progress) -> list[MatchingResult]:
    """Measure every way of matching, or continue, and write matching.json."""
    path = out / "people.zip"
    if not path.exists():
        people = [*draw_controls(scale.controls, SEED)]
        for index in range(scale.patients):
            sex = "male" if index < _BOYS * scale.patients else "female"
            invisible = Condition(INVISIBLE, "changes nothing")
            people.append(draw_person(invisible, [SEED, 1, index], 1.0, _AGES, sex))
        write_phantoms(path, people, size=SIZE, conditions=(INVISIBLE, CONTROLS), workers=2)
    with Dataset.open(path) as data:
        features, _ = extract(data, cache=out / "features", progress=progress)
        features = features.take(features.complete([POINTS]))
        rows = {file: row for row, file in enumerate(features.files)}
        cohort = read_cohort(record for record in data.records if record.file in rows)
    asked: dict[tuple[str, str], list[PredictionTask]] = {}
    for matched_by in ("nothing", "sex and ancestry", "age", "sex, ancestry and age"):
        for run in range(scale.runs):
            people_rows = tuple(rows[one.file] for one in _match_by(matched_by, cohort, run).people)
            for model in scale.models:
                task = PredictionTask(model, people_rows, run, "folds")
                asked.setdefault((matched_by, model), []).append(task)
    answers = answer_tasks(
        features, [task for tasks in asked.values() for task in tasks], out / "answers", workers, progress
    )
    results = []
    for (matched_by, model), tasks in asked.items():
        areas = [float(compute_auc(task.labels, np.array(answers[task]["probabilities"]))) for task in tasks]
        spread, pairs = summarise_runs(areas), float(np.mean([len(task.rows) / 2 for task in tasks]))
        results.append(MatchingResult(matched_by, model, pairs, (spread.mean, spread.deviation)))
    write_file(out / RESULTS, (to_json_text([asdict(one) for one in results]) + "\n").encode())
    return results


def _match_by(matched_by: str, cohort: Cohort, run: int) -> Matching:
    """Match by some of sex, ancestry and age alone: what is not named is the same for everybody."""

    def hide(people: Sequence[Person]) -> list[Person]:
        keep = "sex" in matched_by
        return [one if keep else replace(one, sex="", ancestry="") for one in people]

    rule = MatchingRule() if "age" in matched_by else _ANY_AGE
    patients = hide(cohort.patients(INVISIBLE))
    controls = hide(cohort.controls)
    if "age" not in matched_by:  # controls of the same age are preferred by `match`
        patients, controls = ([replace(one, age=1.0) for one in group] for group in (patients, controls))
    return match(patients, controls, rule, seed=run)


def format_matching(results: Sequence[MatchingResult]) -> str:
    """Format the areas as a Markdown table."""
    models = [*dict.fromkeys(one.model for one in results)]
    lines = [f"| matched by | pairs | {' | '.join(models)} |", "|---" * (2 + len(models)) + "|"]
    for matched_by in dict.fromkeys(one.matched_by for one in results):
        row = [one for one in results if one.matched_by == matched_by]
        cells = [f"{one.auc[0]:.2f} ({one.auc[1]:.2f})" for one in row]
        lines.append(f"| {matched_by} | {row[0].pairs:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
