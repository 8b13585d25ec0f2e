"""Weights of classes in the loss and of images in sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import ConfigError


def compute_class_weights(named: Mapping[str, float] | str | None, classes: Sequence[str], labels: Tensor) -> Tensor:
    """Compute the weights of the classes in the loss, (classes,) float32.

    Args:
        named: see `ClassifierTrainingConfig.class_weights`.
        classes: names of the classes.
        labels: (n, classes), labels of all training images; soft ones count by their shares.

    Raises:
        ConfigError: a name that is no class, or balanced weights with a class that no image has.
    """
    if named is None:
        return torch.ones(len(classes))
    if isinstance(named, str):
        shares = labels.double().mean(dim=0)
        _check_present(shares, classes, "class_weights are 'balanced'")
        return (1 / (len(classes) * shares)).float()
    if unknown := sorted(named.keys() - set(classes)):
        raise ConfigError(f"class_weights names {unknown[0]!r}; expected one of {', '.join(classes)}")
    return torch.tensor([float(named.get(name, 1.0)) for name in classes])


def compute_image_weights(labels: Tensor, classes: Sequence[str]) -> Tensor:
    """Compute the sampling weights of images, (n,) float64 of sum 1, that draw all classes equally often.

    Raises:
        ConfigError: a class that no image has.
    """
    shares = labels.double()
    _check_present(shares.mean(dim=0), classes, "sampling is 'balanced'")
    return (shares / shares.sum(dim=0)).sum(dim=1) / len(classes)


def soft_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor, *, over_images: bool = False) -> Tensor:
    """Compute the cross-entropy of soft labels, a scalar.

    The weighted sum over images and classes is divided by the sum of the weights of the labels. A hard label is a soft
    one with a share of 1 to it, and counts as much: the loss of hard labels is that of `F.cross_entropy` with indices,
    which for shares divides by the number of images instead.

    Args:
        logits, labels: (n, classes).
        weights: (classes,).
        over_images: divide by n, as the published code does for soft labels.
    """
    weighted = labels * weights
    total = weighted.new_tensor(len(labels)) if over_images else weighted.sum()
    return -(weighted * F.log_softmax(logits.float(), dim=1)).sum() / total


def _check_present(shares: Tensor, classes: Sequence[str], wanted: str) -> None:
    for name, share in zip(classes, shares.tolist(), strict=True):
        if share <= 0:
            raise ConfigError(f"{wanted} and no training image is of class {name!r}; add some, or leave the class out")
