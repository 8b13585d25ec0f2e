"""Ensembles: the classifiers of several folds as one, whose prediction is the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from core.errors import CheckpointError, ConfigError, DatasetError
from recognition.classifier import CLASSIFIER, FILE, Classifier
from recognition.images.image_stack import stack_images
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Samples
from recognition.predictions import Predictions


@dataclass(frozen=True)
class Ensemble:
    """Classifiers with the same classes. What they predict for a real person is no basis for a diagnosis.

    Attributes:
        classifiers: one or more, as of the folds of a cross-validation.
        names: names of the classifiers, for messages.

    Raises:
        ConfigError: none, or of different classes.
    """

    classifiers: tuple[Classifier, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.classifiers:
            raise ConfigError("an ensemble of no classifiers; expected one or more")
        for name, classifier in zip(self.names, self.classifiers, strict=True):
            if classifier.classes != self.classes:
                raise ConfigError(
                    f"classifier {name} knows the classes {', '.join(classifier.classes)} and {self.names[0]} "
                    f"{', '.join(self.classes)}; expected the same in the same order"
                )

    @property
    def classes(self) -> tuple[str, ...]:
        return self.classifiers[0].classes

    @classmethod
    def open(cls, path: Path | str) -> Ensemble:
        """Open all classifiers in a folder and its subfolders, in the order of their names, or the one in a file.

        The folders of one seed of `cross_validate` are one ensemble (`out/seed-0`).

        Raises:
            CheckpointError: there is none, or one that cannot be read.
            ConfigError: they are of different classes.
        """
        path = Path(path)
        files = list_classifier_files(path)
        names = tuple(str(file.relative_to(path).parent) if file != path else file.name for file in files)
        return cls(tuple(Classifier.open(file) for file in files), names)

    def combined_record(self) -> TrainingRecord:
        """Combine the records of its classifiers, each under its name, with those of the generators of their images."""
        first, *others = (
            _rename_record(part, name)
            for name, classifier in zip(self.names, self.classifiers, strict=True)
            for part in (classifier.seen.parts or (classifier.seen,))
        )
        return first.union(*others)

    def predict(
        self, samples: Samples, *, threshold: float | None = None, device: torch.device | str = "cpu"
    ) -> Predictions:
        """Predict probabilities for faces that none of its classifiers saw in training.

        Args:
            samples: faces with one condition each; of the same classes in the same order.
            threshold: a classifier counts for a face if its largest probability is at least that (Duong et al. 2022);
                None counts all. A face that no classifier is sure of is undecided, and its probabilities are the mean
                of all.

        Raises:
            DatasetError: faces that were seen, blended labels, other classes, or a picture that is there twice.
            ConfigError: a threshold outside [0, 1].
        """
        if samples.classes != self.classes:
            raise DatasetError(
                f"faces are labelled with the classes {', '.join(samples.classes)}; expected "
                f"{', '.join(self.classes)}, as the classifier: read them with real_samples(path, classes)"
            )
        if soft := next((sample for sample in samples.samples if max(sample.label) < 1), None):
            raise DatasetError(
                f"image {soft.key[:16]} has the blended label {soft.label}; expected faces whose condition is known"
            )
        self.combined_record().refuse(samples)
        stacks = {size: stack_images(samples, size) for size in {one.config.size for one in self.classifiers}}
        each = np.stack([one.predict_probabilities(stacks[one.config.size], device) for one in self.classifiers])
        mean, undecided = average_probabilities(each, threshold)
        return Predictions(
            classes=self.classes,
            keys=tuple(sample.key for sample in samples.samples),
            persons=tuple(sample.person for sample in samples.samples),
            truths=np.array([np.argmax(sample.label) for sample in samples.samples], dtype=np.int64),
            age_groups=tuple(sample.age_group for sample in samples.samples),
            probabilities=mean,
            undecided=undecided,
        )


def list_classifier_files(path: Path) -> list[Path]:
    """List the files of the classifiers in a folder and its subfolders by name, or the one file.

    Raises:
        CheckpointError: there is none.
    """
    files = [path] if path.is_file() else sorted(path.rglob(FILE))
    if not files:
        raise CheckpointError(f"{path} holds no {FILE}; expected the folder of a `gestaltgen classify train` run")
    return files


def _rename_record(seen: TrainingRecord, name: str) -> TrainingRecord:
    """Name a classifier's own record after the classifier; records of generators keep their names."""
    return replace(seen, name=f"{CLASSIFIER} {name}") if seen.name == CLASSIFIER else seen


def average_probabilities(
    probabilities: npt.NDArray[np.float64] | Sequence[npt.NDArray[np.float64]], threshold: float | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Average the classifiers that reach a threshold; where none does, average all and mark the face as undecided.

    Args:
        probabilities: (classifiers, n, classes).
        threshold: see `Ensemble.predict`.

    Returns:
        (n, classes) float64 and (n,) bool.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise ConfigError(f"threshold is {threshold}; expected a probability from 0 to 1, or None")
    each = np.asarray(probabilities, dtype=np.float64)
    sure = each.max(axis=2) >= (0.0 if threshold is None else threshold)
    undecided = ~sure.any(axis=0)
    counted = (sure | undecided)[:, :, None]
    return (each * counted).sum(axis=0) / counted.sum(axis=0), undecided
