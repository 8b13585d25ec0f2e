from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gen.training.losses import (
    classification_loss,
    discriminator_loss,
    generator_loss,
    identity_error,
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


def test_identity_is_read_from_the_known_alone() -> None:
    known = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    assert identity_error(known, known) == 0
    assert identity_error(known + 2, known).item() == pytest.approx(4)
    known[1] = float("nan")
    assert identity_error(torch.zeros(4, 3).index_fill(0, torch.tensor([1]), 9), known).item() == pytest.approx(
        (known.square().nansum() / 12).item()
    )


def test_unknown_identities_leave_no_gradient() -> None:
    read = torch.ones(2, 3, requires_grad=True)
    identity_error(read, torch.tensor([[0.0] * 3, [float("nan")] * 3])).backward()
    assert read.grad is not None
    assert read.grad[0].abs().min() > 0
    assert torch.equal(read.grad[1], torch.zeros(3))


def test_identity_shift_is_one_between_strangers_and_none_within_a_person() -> None:
    draw = torch.Generator().manual_seed(0)
    assert identity_shift(torch.randn(20_000, 4, generator=draw)).item() == pytest.approx(1, rel=0.02)
    assert identity_shift(torch.randn(6, 4, generator=draw).repeat_interleave(2, dim=0)) == 0


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
