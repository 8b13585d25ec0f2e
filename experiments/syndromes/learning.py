"""Experiment on how many patients are needed: the area on unseen people, and that which a laboratory would report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from core.atomic_files import write_file
from core.json_text import to_json_text
from core.progress import Progress
from core.reports.figures import encode_figure, hide_spines
from experiments.syndromes.graded_people import STRENGTHS, open_graded_people
from experiments.syndromes.holdout import HoldoutTask, make_holdout
from recognition.syndromes.cohorts.matching import match
from recognition.syndromes.cohorts.person import Cohort
from recognition.syndromes.cohorts.scores import compute_auc, summarise_runs
from recognition.syndromes.comparison.tasks import PredictionTask, answer_tasks
from recognition.syndromes.features.face_features import FaceFeatures

SEED: Final = 2902
RESULTS: Final = "learning.json"
FIGURE: Final = "learning.png"


@dataclass(frozen=True)
class LearningScale:
    """Size of the experiment.

    Attributes:
        numbers: numbers of patients.
        unseen: patients who are only predicted.
        repeats: times that the patients are drawn.
        controls: number of controls.
        models: models compared.
        most_left_out: largest number of patients for which leave-one-out is measured too, whose time grows with the
            square of the number.
    """

    numbers: tuple[int, ...] = (5, 10, 20, 40, 80)
    unseen: int = 60
    repeats: int = 5
    controls: int = 370
    models: tuple[str, ...] = ("neighbours", "distances", "hybrid")
    most_left_out: int = 20


FULL: Final = LearningScale()
QUICK: Final = LearningScale((5, 10), 10, 2, 60, ("neighbours",))


@dataclass(frozen=True)
class LearningPoint:
    """Areas at one number of patients, mean and deviation over the draws.

    Attributes:
        strength: of the syndrome's features.
        unseen: mean area on unseen people, and its deviation.
        reported: the same by leave-one-out on the training people, which a laboratory would report; None where it is
            not measured.
    """

    strength: str
    model: str
    patients: int
    unseen: tuple[float, float]
    reported: tuple[float, float] | None


def measure_learning(out: Path, scale: LearningScale, workers: int, progress: Progress) -> list[LearningPoint]:
    """Measure the curves, or continue, and write learning.json and learning.png."""
    # Half as many patients again as the largest number are drawn, because not all have a control.
    patients = 3 * max(scale.numbers) // 2 + scale.unseen
    cohort, features = open_graded_people(out, patients, scale.controls, SEED, progress=progress)
    holdouts: dict[tuple[str, str, int], list[HoldoutTask]] = defaultdict(list)
    left_out: dict[tuple[str, str, int], list[PredictionTask]] = defaultdict(list)
    for strength in STRENGTHS:
        for number in scale.numbers:
            for repeat in range(scale.repeats):
                training, unseen = _draw_people(cohort, features, strength, number, repeat, scale)
                for model in scale.models:
                    key = strength, model, number
                    holdouts[key].append(make_holdout(model, repeat, training, unseen))
                    if number <= scale.most_left_out:
                        left_out[key].append(PredictionTask(model, tuple(training), repeat, "leave_one_out"))
    tasks = [task for one in (holdouts, left_out) for tasks in one.values() for task in tasks]
    answers = answer_tasks(features, tasks, out / "answers", workers, progress)
    points = []
    for key, of_key in holdouts.items():
        unseen_areas = [answers[task]["auc"] for task in of_key]
        reported = [compute_auc(task.labels, np.array(answers[task]["probabilities"])) for task in left_out[key]]
        points.append(LearningPoint(*key, _summarise(unseen_areas), _summarise(reported) if reported else None))
    write_file(out / RESULTS, (to_json_text([asdict(point) for point in points]) + "\n").encode())
    write_file(out / FIGURE, plot_learning(points))
    return points


def _summarise(areas: Sequence[float]) -> tuple[float, float]:
    spread = summarise_runs(areas)
    return spread.mean, spread.deviation


def _draw_people(
    cohort: Cohort, features: FaceFeatures, strength: str, number: int, repeat: int, scale: LearningScale
) -> tuple[list[int], list[int]]:
    """Draw rows of the features: training patients and controls, and the unseen ones, who are the same every time."""
    rows = {file: row for row, file in enumerate(features.files)}
    patients = cohort.patients(strength)
    unseen = match(patients[: scale.unseen], cohort.controls)
    taken = {one.person for one in unseen.people}
    others = [one for one in cohort.controls if one.person not in taken]
    pairs = match(patients[scale.unseen :], others, seed=repeat).pairs
    chosen = np.random.default_rng([repeat, number]).permutation(len(pairs))[:number]
    training = [pairs[place] for place in sorted(chosen)]
    people = [patient for patient, _ in training] + [control for _, control in training]
    return [rows[one.file] for one in people], [rows[one.file] for one in unseen.people]


def plot_learning(points: Sequence[LearningPoint]) -> bytes:
    """Plot the areas by number of patients, one plot for each strength."""
    strengths, models = ([*dict.fromkeys(getattr(one, name) for one in points)] for name in ("strength", "model"))
    figure = Figure((3.6 * len(strengths), 3.8), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(strengths), sharey=True, squeeze=False)[0]
    for axis, strength in zip(axes, strengths, strict=True):
        for place, model in enumerate(models):
            curve = [one for one in points if (one.strength, one.model) == (strength, model)]
            numbers = [one.patients for one in curve]
            values = [one.unseen[0] for one in curve]
            axis.errorbar(numbers, values, [one.unseen[1] for one in curve], color=f"C{place}", label=model, capsize=2)
            reported = {one.patients: one.reported[0] for one in curve if one.reported}
            axis.plot([*reported], [*reported.values()], color=f"C{place}", linestyle=":")
        axis.axhline(0.5, color="#cbd5e0", linewidth=1)
        axis.set_xscale("log", base=2)
        axis.set_xticks(numbers, [str(number) for number in numbers])
        axis.set_title(strength, fontsize=10)
        axis.set_xlabel("patients, each with a control")
        hide_spines(axis)
    axes[0].set_ylabel("area under the curve")
    axes[-1].legend(frameon=False, fontsize=8)
    figure.suptitle("lines: unseen people; dotted: leave-one-out on the same patients", fontsize=9)
    return encode_figure(figure)


def format_learning(points: Sequence[LearningPoint]) -> str:
    """Format the areas as a Markdown table."""
    numbers = [*dict.fromkeys(one.patients for one in points)]
    lines = [f"| features | model | {' | '.join(f'{number} patients' for number in numbers)} |"]
    lines.append("|---" * (2 + len(numbers)) + "|")
    by_row: dict[tuple[str, str], list[LearningPoint]] = {}
    for one in points:
        by_row.setdefault((one.strength, one.model), []).append(one)
    for (strength, model), row in by_row.items():
        cells = [
            f"{one.unseen[0]:.2f} ({one.unseen[1]:.2f})" + (f"; {one.reported[0]:.2f}" if one.reported else "")
            for one in row
        ]
        lines.append(f"| {strength} | {model} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
