"""Losses of StyleGAN2-ADA, and the auxiliary classification of Odena et al. 2017."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from core.seen_images import SeenImages


class ConditionLoss(Protocol):
    """Loss that says how far generated images are from their conditions, read by a fixed network outside of `gen`.

    A classifier of conditions is one such network (`recognition.condition_loss`).

    Attributes:
        name: stored with the run, which is only resumed with the same one.
        seen: images that the network has learnt from; the generator learns from them through it.
    """

    @property
    def name(self) -> str: ...

    @property
    def seen(self) -> SeenImages: ...

    def __call__(self, images: Tensor, conditions: Tensor) -> Tensor:
        """Compute the loss of each image, (n,) float32, differentiable in the pixels.

        Args:
            images: (n, 3, h, h) float32, about [-1, 1] but not clipped.
            conditions: (n, conditions), shares that sum to 1, in the order of the generator's vocabulary.
        """


MakeConditionLoss: TypeAlias = Callable[[Sequence[str], torch.device], ConditionLoss]
"""Makes the loss for the conditions of a vocabulary, in their order, on a device."""


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Compute the mean of -log sigmoid(D(fake)), the non-saturating loss."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Compute the mean of -log sigmoid(D(real)) - log(1 - sigmoid(D(fake)))."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1_penalty(real_images: Tensor, real_logits: Tensor) -> Tensor:
    """Compute the squared norm of the gradient of each image's logit in its pixels, (n,); differentiable once more.

    Mescheder et al. 2018. The pixels are those before augmentation, if there is any.
    """
    (gradient,) = torch.autograd.grad(real_logits.sum(), real_images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3))


def path_lengths(images: Tensor, w: Tensor, direction: Tensor) -> Tensor:
    """Compute how far each image moves with its latent, (n,); differentiable once more. Karras et al. 2020, equation 4.

    Args:
        images: (n, 3, h, h), synthesized from w.
        w: (n, num_ws, w_dim).
        direction: (n, 3, h, h) standard normal; its scale is set here.
    """
    side = images.shape[2]
    (gradient,) = torch.autograd.grad((images * direction).sum() / side, w, create_graph=True)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def identity_error(read: Tensor, known: Tensor) -> Tensor:
    """Compute the mean squared difference of identities read from images and the known ones, both (n, k); rows of NaN
    count 0.

    Known identities are standardised, so a constant reading has the error 1.
    """
    unknown = known.isnan()
    return (read - known.nan_to_num()).square().masked_fill(unknown, 0).mean()


def identity_shift(read: Tensor) -> Tensor:
    """Compute how much the identity read from an image depends on the label; 0 if a random vector gives the same person
    with every label.

    It is half the mean squared difference, which is 1 for pairs of different people. No paper has this loss; without
    it a person becomes another one with age.

    Args:
        read: (n, k) identities; images 2i and 2i + 1 show one random vector with two labels.
    """
    return (read[::2] - read[1::2]).square().mean() / 2


def classification_loss(label_logits: Tensor, labels: Tensor, conditions: int) -> Tensor:
    """Compute the cross-entropy of the labels read from images, condition and age added, averaged over the images.

    A part that is the uniform mix stands for unknown and has no loss.

    Args:
        label_logits: (n, c_dim).
        labels: (n, c_dim); of each part, soft targets that sum to 1.
        conditions: columns of the first part.
    """
    split = [conditions, labels.shape[1] - conditions]
    parts = zip(torch.split(label_logits, split, dim=1), torch.split(labels, split, dim=1), strict=True)
    return torch.stack([_known_cross_entropy(logits, target) for logits, target in parts]).sum()


def _known_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return mean_of_known(-(target * logits.log_softmax(dim=1)).sum(dim=1), target)


def mean_of_known(losses: Tensor, target: Tensor) -> Tensor:
    """Compute the mean of losses (n,), where a uniform mix among the targets (n, k) is unknown and counts 0."""
    known = (target - 1 / target.shape[1]).abs().amax(dim=1) > 1e-4
    return (losses * known).mean()
