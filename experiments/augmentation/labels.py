"""Other labels for the faces of image sets than those that the service gives them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from recognition.classifier import Classifier
from recognition.images.image_stack import Stack

Labels: TypeAlias = Literal["soft", "hard", "corrected", "read"]
"""How faces are labelled.

soft        as the service labels them
hard        by the condition with the largest share
corrected   by the shares of the label's conditions that a classifier reads, the mean over all faces of the same label
read        by what a classifier reads from each face
"""


def relabel(faces: Stack, labels: Labels, reader: Classifier) -> Stack:
    """Give faces other labels.

    Args:
        faces: with the labels of the service.
        reader: classifier of the same classes in the same order, which has not seen the faces.
    """
    if labels == "soft":
        return faces
    given = faces.labels.numpy()
    if labels == "hard":
        chosen = np.eye(len(faces.classes))[given.argmax(axis=1)]
    else:
        chosen = reader.predict_probabilities(faces)
    if labels == "corrected":
        chosen = _average_by_label(chosen, given)
    samples = tuple(
        replace(sample, label=tuple(label), condition=faces.classes[int(np.argmax(label))] if max(label) == 1 else None)
        for sample, label in zip(faces.samples, chosen.tolist(), strict=True)
    )
    return replace(faces, samples=samples, labels=torch.from_numpy(chosen).float())


def _average_by_label(read: npt.NDArray[np.float64], given: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Compute for each face the mean of what is read from the faces of its label, as shares of the label's classes."""
    shares = read * (given > 0)
    shares /= shares.sum(axis=1, keepdims=True)
    _, group = np.unique(given, axis=0, return_inverse=True)
    sums = np.zeros((group.max() + 1, given.shape[1]))
    np.add.at(sums, group, shares)
    means: npt.NDArray[np.float64] = (sums / sums.sum(axis=1, keepdims=True))[group]
    return means
