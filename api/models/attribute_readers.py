"""Readers of condition and age for the scores of image sets: the oracle, and classifiers of the service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from api.models.classifiers import ClassifierInfo, Classifiers
from api.models.model import Pixels

ORACLE: Final = "oracle"
"""Name of the network that reads phantoms, where requests name a classifier."""

Probabilities = npt.NDArray[np.floating]


@dataclass(frozen=True)
class AttributeReading:
    """Probabilities that a reader gives n images.

    Attributes:
        conditions: probabilities (n, conditions), in the order of the reader's.
        ages: probabilities (n, ages); None from a reader of conditions alone.
    """

    conditions: Probabilities
    ages: Probabilities | None = None


class AttributeReader(Protocol):
    """Network that reads the condition of an image, and perhaps the age.

    Attributes:
        name: name in requests.
        conditions, ages: what it reads; no ages from a reader of conditions alone.
    """

    name: str
    conditions: tuple[str, ...]
    ages: tuple[str, ...]

    def read(self, images: Pixels) -> AttributeReading:
        """Read images uint8 (n, h, h, 3)."""
        ...


class ClassifierReader:
    """Classifier of the service, or several that answer as one: the mean of their probabilities.

    Args:
        classifiers: of the service.
        info: the classifier.
    """

    def __init__(self, classifiers: Classifiers, info: ClassifierInfo) -> None:
        self._classifiers = classifiers
        self.name = info.name
        self.conditions = info.classes
        self.ages: tuple[str, ...] = ()

    def read(self, images: Pixels) -> AttributeReading:
        import torch

        from recognition.classifier import compute_logits
        from recognition.images.image_stack import Stack, resize_face

        loaded = self._classifiers.use(self.name)
        resized = np.stack([resize_face(image, loaded.size) for image in images])
        labels = torch.zeros(len(images), len(self.conditions))
        stack = Stack(self.conditions, (), torch.from_numpy(resized), labels)
        each = [compute_logits(one.network, stack, one.precision).softmax(dim=1).numpy() for one in loaded.members]
        return AttributeReading(np.mean(each, axis=0))
