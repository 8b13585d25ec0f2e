"""Losses and draws: hard and soft labels count the same."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from core.errors import ConfigError
from recognition.training.weighting import compute_class_weights, compute_image_weights, soft_cross_entropy

LOGITS = torch.tensor([[1.0, -1.0, 0.5], [0.2, 0.1, 0.0], [-1.0, 2.0, 0.3]])
HARD = torch.tensor([0, 2, 1])
WEIGHTS = torch.tensor([10.0, 1.0, 3.0])


def test_hard_labels_are_the_usual_loss() -> None:
    labels = F.one_hot(HARD, 3).float()
    torch.testing.assert_close(
        soft_cross_entropy(LOGITS, labels, WEIGHTS), F.cross_entropy(LOGITS, HARD, weight=WEIGHTS)
    )
    torch.testing.assert_close(
        soft_cross_entropy(LOGITS, labels, WEIGHTS, over_images=True), F.cross_entropy(LOGITS, labels, weight=WEIGHTS)
    )


def test_a_soft_label_is_the_hard_ones_it_consists_of() -> None:
    soft = torch.tensor([[0.75, 0.25, 0.0]])
    one = soft_cross_entropy(LOGITS[:1], soft, WEIGHTS)
    four = soft_cross_entropy(LOGITS[[0] * 4], F.one_hot(torch.tensor([0, 0, 0, 1]), 3).float(), WEIGHTS)
    torch.testing.assert_close(one, four)


def test_weights_of_classes() -> None:
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    assert compute_class_weights(None, ("a", "b"), labels).tolist() == [1, 1]
    assert compute_class_weights({"b": 10}, ("a", "b"), labels).tolist() == [1, 10]
    torch.testing.assert_close(compute_class_weights("balanced", ("a", "b"), labels), torch.tensor([2 / 3, 2.0]))
    with pytest.raises(ConfigError, match="names 'c'; expected one of a, b"):
        compute_class_weights({"c": 1}, ("a", "b"), labels)


def test_balanced_draws() -> None:
    labels = torch.tensor([[1.0, 0.0]] * 6 + [[0.0, 1.0]] * 2)
    weights = compute_image_weights(labels, ("a", "b"))
    torch.testing.assert_close(weights @ labels.double(), torch.tensor([0.5, 0.5]).double())
    with pytest.raises(ConfigError, match="no training image is of class 'c'"):
        compute_image_weights(F.pad(labels, (0, 1)), ("a", "b", "c"))
