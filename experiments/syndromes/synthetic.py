"""Experiment on what synthetic faces add to the training: faces that the shipped generator of phantoms makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

import weights
from api.models.generator import GeneratorModel
from core.atomic_files import write_file
from core.json_text import to_json_text
from core.progress import Progress
from experiments.syndromes.holdout import HoldoutTask, make_holdout
from experiments.syndromes.people import MILD, SIZE, weaken
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.records import Record
from faces.labels import UNAFFECTED
from faces.phantoms.person import phantom
from faces.phantoms.phantom_dataset import write_phantoms
from recognition.syndromes.cohorts.matching import match
from recognition.syndromes.cohorts.person import read_cohort
from recognition.syndromes.cohorts.scores import summarise_runs
from recognition.syndromes.comparison.tasks import answer_tasks
from recognition.syndromes.features.extraction import extract
from recognition.syndromes.features.face_features import FaceFeatures

SEED: Final = 2904
RESULTS: Final = "synthetic.json"
SYNDROME: Final = "22q11DS"
CONTROLS: Final = "other"
_GENERATOR: Final = "phantom128.safetensors"
_AGES: Final = ("child", "adolescent")


@dataclass(frozen=True)
class SyntheticScale:
    """Size of the experiment.

    Attributes:
        numbers: numbers of real patients in the training, each with a control.
        added: numbers of synthetic patients, and of synthetic controls, that are added; fewer if not all show a face.
        unseen: real patients who are only predicted.
        repeats: times that the training people are drawn.
        models: models compared.
    """

    numbers: tuple[int, ...] = (5, 10, 20, 40)
    added: tuple[int, ...] = (0, 20, 100)
    unseen: int = 60
    repeats: int = 5
    models: tuple[str, ...] = ("neighbours", "distances", "hybrid")


FULL: Final = SyntheticScale()
QUICK: Final = SyntheticScale((5,), (0, 10), 10, 2, ("neighbours",))


@dataclass(frozen=True)
class SyntheticResult:
    """Area on unseen real people, mean and deviation over the draws.

    Attributes:
        patients: real patients in the training; 0 for synthetic faces alone.
        added: synthetic patients in the training.
    """

    model: str
    patients: int
    added: int
    auc: tuple[float, float]


def measure_synthetic(out: Path, scale: SyntheticScale, workers: int, progress: Progress) -> list[SyntheticResult]:
    """Measure every number of real and synthetic faces, or continue, and write synthetic.json.

    Landmarks are found anew in real and synthetic faces alike, so that they have the same errors.
    """
    _draw_real(out / "people.zip", scale)
    _render_synthetic(out / "synthetic.zip", scale)
    with Dataset.open(out / "people.zip") as data:
        cohort = read_cohort(data.records)
        real, failures = extract(data, detect=True, flat=True, cache=out / "features", progress=progress)
    with Dataset.open(out / "synthetic.zip") as data:
        made, _ = extract(data, flat=True, cache=out / "features", progress=progress)
        conditions = {record.file: record.condition for record in data.records}
    features, offset = _join(real, made), len(real)
    synthetic = {
        name: [offset + row for row, file in enumerate(made.files) if conditions[file] == name]
        for name in (SYNDROME, CONTROLS)
    }
    fewest = min(map(len, synthetic.values()))
    numbers_added = sorted({min(number, fewest) for number in scale.added})
    rows = {file: row for row, file in enumerate(real.files)}
    usable = [one for one in cohort.persons if one.file not in failures]
    patients = [one for one in usable if one.syndrome == SYNDROME]
    controls = [one for one in usable if one.syndrome is None]
    unseen = match(patients[: scale.unseen], controls)
    taken = {one.person for one in unseen.people}
    others = [one for one in controls if one.person not in taken]
    asked: dict[tuple[str, int, int], list[HoldoutTask]] = {}
    for repeat in range(scale.repeats):
        pairs = match(patients[scale.unseen :], others, seed=repeat).pairs
        order = np.random.default_rng(repeat).permutation(len(pairs))
        for number in (0, *scale.numbers):
            chosen = [pairs[place] for place in order[:number]]
            for added in numbers_added:
                if number + added == 0:
                    continue
                groups = [
                    [rows[pair[side].file] for pair in chosen] + synthetic[name][:added]
                    for side, name in enumerate((SYNDROME, CONTROLS))
                ]
                for model in scale.models:
                    tested = [rows[one.file] for one in unseen.people]
                    task = make_holdout(model, repeat, [*groups[0], *groups[1]], tested)
                    asked.setdefault((model, number, added), []).append(task)
    answers = answer_tasks(
        features, [task for tasks in asked.values() for task in tasks], out / "answers", workers, progress
    )
    results = []
    for (model, number, added), tasks in asked.items():
        spread = summarise_runs([answers[task]["auc"] for task in tasks])
        results.append(SyntheticResult(model, number, added, (spread.mean, spread.deviation)))
    write_file(out / RESULTS, (to_json_text([asdict(one) for one in results]) + "\n").encode())
    return results


def _draw_real(path: Path, scale: SyntheticScale) -> None:
    """Draw children and adolescents with the syndrome, and controls of the class other, both mildly."""
    if path.exists():
        return
    rng = np.random.default_rng(SEED)
    patients = 3 * max(scale.numbers) // 2 + scale.unseen
    people = []
    for index in range(4 * patients):
        years, smile, identity = int(rng.integers(2, 20)), round(rng.uniform(), 3), (SEED << 32) + index
        drawn = phantom(SYNDROME if index < patients else CONTROLS, years, smile, identity)
        people.append(weaken(drawn, phantom(UNAFFECTED, years, smile, identity), MILD))
    write_phantoms(path, people, size=SIZE, workers=2)


def _render_synthetic(path: Path, scale: SyntheticScale) -> None:
    """Render faces of patients and controls with the shipped generator, as many of either."""
    if path.exists():
        return
    model = GeneratorModel(weights.find_file(_GENERATOR))
    request = {
        "kind": "unrelated",
        "conditions": [SYNDROME, CONTROLS],
        "ages": [*_AGES],
        "count": -(-max(scale.added) // len(_AGES)),
        "seed": SEED,
        "truncation": 1.0,
    }
    plan = model.plan(request, 10_000)
    rows = [*plan.rows]
    with DatasetWriter(path) as writer:
        for row, image in zip(rows, model.render(plan, rows), strict=True):
            about = row.to_json()
            writer.add(image, Record(condition=about["condition"], person=f"synthetic-{about['index']}"))


def _join(first: FaceFeatures, second: FaceFeatures) -> FaceFeatures:
    """Join the features of two data sets, whose files may have the same names."""
    second = second.arrange(first.layout)
    files = (*(f"real/{file}" for file in first.files), *(f"synthetic/{file}" for file in second.files))
    return FaceFeatures(files, np.concatenate([first.X, second.X]), first.layout)


def format_synthetic(results: Sequence[SyntheticResult]) -> str:
    """Format the areas as a Markdown table."""
    added = [*dict.fromkeys(one.added for one in results)]
    added.sort()
    lines = [f"| model | real patients | {' | '.join(f'{number} synthetic' for number in added)} |"]
    lines.append("|---" * (2 + len(added)) + "|")
    by_row: dict[tuple[str, int], dict[int, SyntheticResult]] = {}
    for one in sorted(results, key=lambda one: one.patients):
        by_row.setdefault((one.model, one.patients), {})[one.added] = one
    for (model, patients), row in sorted(by_row.items()):
        cells = [f"{row[n].auc[0]:.2f} ({row[n].auc[1]:.2f})" if n in row else "" for n in added]
        lines.append(f"| {model} | {patients} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
