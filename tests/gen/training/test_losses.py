from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gen.training.losses import (
    classification_loss,
    discriminator_loss,
    generator_loss,
    identity_shift,
    path_lengths,
    r1_penalty,
)
from tests.gen.fixtures import discriminator_32, fixture


def test_losses_are_the_logistic_ones() -> None:
    real, fake = torch.tensor([[2.0], [-1.0]]), torch.tensor([[0.5], [0.0]])
    assert generator_loss(fake).item() == pytest.approx(-F.logsigmoid(fake).mean().item())
    expected = -(F.logsigmoid(real).mean() + (1 - fake.sigmoid()).log().mean())
    assert discriminator_loss(real, fake).item() == pytest.approx(expected.item())


def test_r1_penalty_is_the_references() -> None:
    f = fixture("r1_32")
    images = f["image"].requires_grad_()
    penalty = r1_penalty(images, discriminator_32()(images, f["c"]))
    torch.testing.assert_close(penalty.detach(), f["r1_penalty"], rtol=1e-3, atol=0)
    assert penalty.requires_grad


def test_path_lengths_of_a_linear_map_are_its_norms() -> None:
    """images = w @ A: the gradient of <images, y> in w is A y, whatever w."""
    draw = torch.Generator().manual_seed(0)
    w = torch.randn(2, 4, 5, generator=draw, requires_grad=True)
    matrix = torch.randn(4 * 5, 3 * 8 * 8, generator=draw)
    direction = torch.randn(2, 3, 8, 8, generator=draw)
    images = (w.flatten(1) @ matrix).view(2, 3, 8, 8)
    expected = (direction.flatten(1) @ matrix.T / 8).view(2, 4, 5).square().sum(2).mean(1).sqrt()
    torch.testing.assert_close(path_lengths(images, w, direction), expected)


def test_identity_shift_is_the_share_of_the_difference_between_people_that_depends_on_the_label() -> None:
    draw = torch.Generator().manual_seed(0)
    persons, labels = (torch.randn(2, 6, 5, generator=draw) for _ in range(2))
    w = persons[:, None] + labels[None]  # (2, 2, n, w_dim): the label moves everybody alike
    assert identity_shift(w).item() == pytest.approx(0, abs=1e-12)
    assert identity_shift(torch.randn(2, 2, 5000, 8, generator=draw)).item() == pytest.approx(2, rel=0.05)
    # One label doubles the differences between people: (2d - d)² over the mean of (2d)² and d².
    scaled = persons[:, None] * torch.tensor([1.0, 2.0])[:, None, None]
    assert identity_shift(scaled).item() == pytest.approx(1 / 2.5)
    assert identity_shift(7 * scaled).item() == pytest.approx(1 / 2.5)


def test_classification_adds_conditions_and_ages_and_passes_over_the_unknown() -> None:
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    known = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0])
    half_known = torch.tensor([1 / 3, 1 / 3, 1 / 3, 0.0, 1.0])
    blend = torch.tensor([0.25, 0.75, 0.0, 1.0, 0.0])
    loss = classification_loss(logits, torch.stack([known, half_known, blend]), conditions=3)
    conditions, ages = logits[:, :3].log_softmax(1), logits[:, 3:].log_softmax(1)
    expected = -(
        conditions[0, 1] + ages[0, 0] + ages[1, 1] + 0.25 * conditions[2, 0] + 0.75 * conditions[2, 1] + ages[2, 0]
    )
    torch.testing.assert_close(loss, expected / 3)


def test_a_single_condition_costs_nothing() -> None:
    logits, labels = torch.randn(2, 3), torch.tensor([[1.0, 0.5, 0.5], [1.0, 0.5, 0.5]])
    assert classification_loss(logits, labels, conditions=1).item() == 0
