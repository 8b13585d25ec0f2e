"""A loss on generated images: how far a trained classifier is from reading the conditions that they should show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from core import tensor_files
from core.errors import ConfigError
from core.seen_images import SeenImages
from recognition.classifier import Classifier
from recognition.images.image_stack import resize_network_input
from recognition.networks.architectures import Network


@dataclass(frozen=True)
class ClassifierConditionLoss:
    """Cross-entropy of the conditions of images and what a fixed classifier reads from them.

    The generator's training takes it as its condition loss (`gen.training.losses.ConditionLoss`). The classifier has
    learnt from photographs, through which the generator learns from them too.

    Attributes:
        network: in evaluation mode; its weights do not change.
        columns: (conditions,) place of each condition of the generator among the classes of the network.
        size: side in pixels of the images that the network reads.
        name: the classifier's digest.
        seen: all images that the classifier was trained on or that chose its epoch, and those of their generators.
    """

    network: Network
    columns: Tensor
    size: int
    name: str
    seen: SeenImages

    def __call__(self, images: Tensor, conditions: Tensor) -> Tensor:
        """Compute the loss of each image, (n,), with a gradient in the pixels that are not clipped.

        Args:
            images: (n, 3, h, h) float32; clipped to [-1, 1], as pictures are.
            conditions: (n, conditions), shares that sum to 1.
        """
        logits: Tensor = self.network(resize_network_input(images.clamp(-1, 1), self.size))
        return -(conditions * logits.log_softmax(dim=1)[:, self.columns]).sum(dim=1)


def open_condition_loss(path: Path) -> Callable[[Sequence[str], torch.device], ClassifierConditionLoss]:
    """Read a classifier, and return a function that makes a loss of it for some conditions on a device.

    Raises:
        CheckpointError, ConfigError: as `Classifier.open`. The function raises as `make_condition_loss`.
    """
    digest = tensor_files.sha256(path) if path.is_file() else ""
    return partial(make_condition_loss, Classifier.open(path), f"classifier {digest[:16]}")


def make_condition_loss(
    classifier: Classifier, name: str, conditions: Sequence[str], device: torch.device | str = "cpu"
) -> ClassifierConditionLoss:
    """Make the loss of a classifier for the conditions of a generator, in the order of its label columns.

    Classes of the classifier that are no condition of the generator count as wrong readings.

    Args:
        name: of the classifier, for records.

    Raises:
        ConfigError: the classifier has no class for one of the conditions.
    """
    missing = [condition for condition in conditions if condition not in classifier.classes]
    if missing:
        raise ConfigError(
            f"{name} has the classes {', '.join(classifier.classes)} and none for {', '.join(missing)}; expected one "
            "for every condition of the data: train a classifier with them (`gestaltgen classify train`)"
        )
    columns = torch.tensor([classifier.classes.index(condition) for condition in conditions], device=device)
    network = classifier.network.to(device).eval().requires_grad_(False)
    seen = SeenImages(classifier.seen.keys, classifier.seen.complete)
    return ClassifierConditionLoss(network, columns, classifier.config.size, name, seen)
