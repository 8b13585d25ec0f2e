"""Questions to models about matched people, whose answers are kept in a folder, so that none is computed twice."""

from __future__ import annotations

import json
import multiprocessing
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.atomic_files import create_private_file
from core.progress import SILENT, Progress, stepping_bar
from core.reports.versions import list_versions
from recognition.syndromes.cohorts.distances import scale_to_unit_length
from recognition.syndromes.cohorts.permutation import permute_labels, score_estimator, score_neighbours
from recognition.syndromes.cohorts.validation import LeaveOneOut, RepeatedFolds, Scheme, predict_unseen
from recognition.syndromes.features.face_features import FaceFeatures, Matrix
from recognition.syndromes.features.layout import TERMS, Layout
from recognition.syndromes.models.distance_forest import DistanceForest
from recognition.syndromes.models.registry import MODELS, list_blocks

SCHEMES: Final[Mapping[str, Scheme]] = {"leave_one_out": LeaveOneOut(), "folds": RepeatedFolds(folds=5, repeats=2)}
"""Schemes of validation by name: as published, and one in which pairs stay together and nothing is biased."""


Answer: TypeAlias = dict[str, Any]
"""Result of a task, JSON-able; `seconds` is the processor time that it took."""


@dataclass(frozen=True)
class Task(ABC):
    """Question to one model about matched people.

    Attributes:
        model: name of the model.
        rows: rows of the features, (2n,): the patients, then their controls in the same order.
        seed: seed of everything that is drawn.
    """

    model: str
    rows: tuple[int, ...]
    seed: int

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """1 for patients and 0 for controls, (2n,)."""
        return np.repeat([1, 0], len(self.rows) // 2)

    @property
    def pairs(self) -> npt.NDArray[np.int64]:
        """Number of the pair of each person, (2n,)."""
        return np.tile(np.arange(len(self.rows) // 2), 2)

    @abstractmethod
    def answer(self, X: Matrix, layout: Layout) -> Answer:
        """Answer the question from the features of the people (2n, layout.width)."""

    def describe(self) -> list[Any]:
        """Return everything but the features that the answer depends on, JSON-able."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "rows"}
        return [type(self).__name__, values, list_versions()]


@dataclass(frozen=True)
class PredictionTask(Task):
    """Asks for the probability of each person, by models that have not seen the person: `probabilities`.

    Attributes:
        scheme: name in SCHEMES.
    """

    scheme: str

    def answer(self, X: Matrix, layout: Layout) -> Answer:
        scheme = SCHEMES[self.scheme]
        together = self.pairs if isinstance(scheme, RepeatedFolds) else None
        model = MODELS[self.model](layout, self.seed)
        return {"probabilities": predict_unseen(model, X, self.labels, scheme, self.seed, together).tolist()}

    def describe(self) -> list[Any]:
        return [*super().describe(), repr(SCHEMES[self.scheme])]


@dataclass(frozen=True)
class PermutationTask(Task):
    """Asks for the p-value of the area under the curve, by labels that are exchanged inside the pairs: `p`.

    Attributes:
        permutations: number of random labellings.
    """

    permutations: int

    def answer(self, X: Matrix, layout: Layout) -> Answer:
        if self.model == "neighbours":  # nothing has to be fitted anew
            score = score_neighbours(scale_to_unit_length(X), self.pairs)
        else:
            model = MODELS[self.model](layout, self.seed)
            score = score_estimator(model, X, self.pairs, RepeatedFolds(repeats=1), self.seed)
        test = permute_labels(score, self.labels, self.pairs, permutations=self.permutations, seed=self.seed)
        return {"p": test.p, "area": float(test.score), "exact": test.exact}


@dataclass(frozen=True)
class ImportanceTask(Task):
    """Asks what the model of distances goes by if it learns from all these people.

    The answer has `distances`, each with the `points` of one pair or two mirrored ones, its `importance` and `name`;
    and the mean face, in eye distances from the middle between the eyes: `points` (m, 3) and `landmarks` (68, 2).
    """

    def answer(self, X: Matrix, layout: Layout) -> Answer:
        forest = DistanceForest(layout, self.seed)
        face = forest.train(X, self.labels == 1)
        distances = [
            {"points": distance.pairs, "importance": distance.importance, "name": distance.name}
            for distance in face.list_important()
        ]
        return {"distances": distances, "points": face.points.tolist(), "landmarks": face.landmarks.tolist()}


def select_blocks(features: FaceFeatures, model: str) -> FaceFeatures:
    """Return the features with the blocks alone that a model learns from."""
    blocks = list_blocks(model, features.layout)
    layout = Layout(
        tuple(block for block in features.layout.blocks if block[0] in blocks),
        features.layout.terms if TERMS in blocks else (),
    )
    return features.arrange(layout)


def answer_tasks(
    features: FaceFeatures, tasks: Iterable[Task], folder: Path, workers: int = 1, progress: Progress = SILENT
) -> dict[Task, Answer]:
    """Answer all tasks, and keep each answer in a folder, where it is found again.

    An answer is found if the features, the model and its seed, and the versions of the packages are the same. Answers
    are personal data, as the features are.

    Args:
        workers: number of processes.
    """
    tasks = list(dict.fromkeys(tasks))
    parts = {model: select_blocks(features, model) for model in {task.model for task in tasks}}
    paths = {task: folder / f"{_digest(parts[task.model], task)}.json" for task in tasks}
    waiting = [task for task, path in paths.items() if not path.exists()]
    with stepping_bar(progress, "asking models about unseen people", len(waiting)) as advance:
        for task, answer in _run_tasks(parts, waiting, workers):
            create_private_file(paths[task], json.dumps(answer).encode())
            advance(1)
    return {task: json.loads(path.read_bytes()) for task, path in paths.items()}


def _digest(features: FaceFeatures, task: Task) -> str:
    """Compute the hash of everything that an answer depends on."""
    about = json.dumps([task.describe(), features.layout.to_json()])
    return sha256(about.encode() + features.X[list(task.rows)].tobytes()).hexdigest()


def _run_tasks(parts: Mapping[str, FaceFeatures], tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, Answer]]:
    """Yield each task with its answer as soon as it is there."""
    if workers == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, _answer(parts[task.model].X[list(task.rows)], parts[task.model].layout, task)
        return
    # Spawned, because forking beside the threads of PyTorch and OpenCV may hang. Ctrl-C is left to this process.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=signal, initargs=(SIGINT, SIG_IGN))
    running: dict[Future[Answer], Task] = {}
    try:
        for task in tasks:
            part = parts[task.model]
            running[pool.submit(_answer, part.X[list(task.rows)], part.layout, task)] = task
            if len(running) == 2 * workers:
                yield from _collect(running)
        while running:
            yield from _collect(running)
    finally:
        pool.shutdown(cancel_futures=True)


def _collect(running: dict[Future[Answer], Task]) -> Iterator[tuple[Task, Answer]]:
    """Wait until some tasks are done; remove and yield them."""
    for done in wait(running, return_when=FIRST_COMPLETED).done:
        yield running.pop(done), done.result()


def _answer(X: Matrix, layout: Layout, task: Task) -> Answer:
    began = time.process_time()
    answer = task.answer(X, layout)
    return answer | {"seconds": round(time.process_time() - began, 3)}
