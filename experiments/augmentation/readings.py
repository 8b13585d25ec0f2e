"""How true faces show their conditions: what the oracle, and the judges of the folds, read from image sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

import weights
from core.atomic_files import write_file
from experiments.augmentation.arms import UNRELATED, AugmentationArm, build_requests
from experiments.augmentation.classifiers import CONFIG, FOLDS, TEST, TRAIN, locate_sets, split_folds
from experiments.augmentation.generators import name_model
from experiments.augmentation.judges import locate_judge
from faces.labels import UNAFFECTED
from faces.oracle.attribute_network import Oracle
from faces.oracle.attribute_network import load as load_oracle
from recognition.classifier import Classifier
from recognition.images.image_stack import Stack, join_stacks, stack_images
from recognition.images.pulled_sets import pull_set
from recognition.images.samples import Samples, load_real_samples
from recognition.statistics import Sampling, resample_means

_SAMPLING: Final = Sampling(seed=0)

Read: TypeAlias = dict[str, dict[str, bool]]
"""By condition and key of a face, whether its condition is read."""


def write_readings(out: Path, arms: Sequence[AugmentationArm], folds: int = FOLDS) -> str:
    """Write OUT/readings.md: of how many faces of affected persons the condition is read, by arm; returns it.

    Arms without unrelated people are left out: a blend has no condition to read. "" if no arm is left.

    Raises:
        PullError: a set is not there yet.
    """
    shown = [arm for arm in arms if arm.kind == UNRELATED.kind]
    if not shown:
        return ""
    oracle, _ = load_oracle(weights.oracle())
    real = load_real_samples(out / TRAIN)
    affected = [name for name in real.classes if name != UNAFFECTED]
    head = ["faces", *affected, "mean", "of single generators", "mean that the judges read"]
    rows = [head, ["---", *["--:"] * (len(head) - 1)]]
    drawn = read_conditions(stack_images(load_real_samples(out / TEST), CONFIG.size), _reader(oracle))
    rows.append(["drawings of the test set", *describe_readings([drawn]), ""])
    for arm in shown:
        read, judged = [], []
        for fold, (inside, _) in enumerate(split_folds(real, folds)):
            faces = _open_sets(out, arm, fold, real.subset(inside))
            read.append(read_conditions(faces, _reader(oracle)))
            if (judge := locate_judge(out, fold)).exists():
                judged.append(read_conditions(faces, Classifier.open(judge).predict_probabilities))
        rows.append(
            [arm.name, *describe_readings(read), f"{np.mean([_mean(one) for one in judged]):.1%}" if judged else ""]
        )
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    write_file(out / "readings.md", table.encode())
    return table


def read_conditions(faces: Stack, reader: Callable[[Stack], npt.NDArray[np.float64]]) -> Read:
    """Say for each face of an affected person whether its condition is the most probable one that a reader finds.

    Args:
        faces: with one condition each.
        reader: returns probabilities (n, conditions) in the order of the faces' classes.
    """
    right = reader(faces).argmax(axis=1) == faces.labels.argmax(dim=1).numpy()
    read: Read = {name: {} for name in faces.classes if name != UNAFFECTED}
    for sample, one in zip(faces.samples, right.tolist(), strict=True):
        if sample.condition in read:
            read[sample.condition][sample.key] = one
    return read


def describe_readings(by_fold: Sequence[Read]) -> list[str]:
    """Describe the shares of each condition, their mean with its interval by face, and the means of the folds.

    A face that several folds have, because one generator serves all, counts once.
    """
    joined: Read = {}
    for read in by_fold:
        for name, right in read.items():
            joined.setdefault(name, {}).update(right)
    draws = [
        resample_means(np.array(list(right.values()), np.float64), list(right), _SAMPLING, stream)
        for stream, right in enumerate(joined.values())
    ]
    low, high = np.quantile(np.mean(draws, axis=0), _SAMPLING.tails)
    single = {f"{_mean(read):.1%}" for read in by_fold}
    return [
        *(f"{np.mean(list(right.values())):.1%}" for right in joined.values()),
        f"{_mean(joined):.1%} ({low:.1%} to {high:.1%})",
        f"{min(single)} to {max(single)}" if len(single) > 1 else "",
    ]


def _reader(oracle: Oracle) -> Callable[[Stack], npt.NDArray[np.float64]]:
    def read(faces: Stack) -> npt.NDArray[np.float64]:
        chances = oracle.read_pixels(faces.pixels.numpy()).condition_logits.double().softmax(dim=1).numpy()
        return np.asarray(chances[:, [oracle.config.conditions.index(name) for name in faces.classes]])

    return read


def _open_sets(out: Path, arm: AugmentationArm, fold: int, learnt: Samples) -> Stack:
    """Open the image sets of an arm and fold, which were pulled for its classifiers."""
    with ExitStack() as stack:
        pulled = [
            stack.enter_context(pull_set(None, request, locate_sets(arm, out, fold) / name, classes=learnt.classes))
            for name, request in build_requests(arm, name_model(fold, conditioned=arm.conditioned), learnt).items()
        ]
        return join_stacks([stack_images(one, CONFIG.size) for one in pulled])


def _mean(read: Read) -> float:
    """Compute the mean of the conditions' shares."""
    return float(np.mean([np.mean(list(right.values())) for right in read.values()]))
