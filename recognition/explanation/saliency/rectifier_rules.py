"""Rules at ReLU: guided backpropagation, DeconvNet and DeepLIFT. All three are defined for networks with ReLU alone."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import ConfigError
from recognition.explanation.saliency.backward_rules import (
    OTHER_OPERATIONS,
    SMOOTH_ACTIVATIONS,
    RuleMode,
    apply_rule,
    describe_obstacle,
)

_SMALLEST_DIFFERENCE: Final = 1e-10
"""Difference of an input from its baseline below which DeepLIFT takes the derivative, as Captum does."""


class _RectifierMode(RuleMode):
    obstacles = SMOOTH_ACTIVATIONS


class GuidedMode(_RectifierMode):
    """Guided backpropagation (Springenberg et al. 2015): positive gradients pass where the input was positive."""

    def compute_relu(self, input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
        return apply_rule(F.relu, lambda gradient, x: gradient.clamp(min=0) * (x > 0), input)


class DeconvMode(_RectifierMode):
    """DeconvNet (Zeiler and Fergus 2014): positive gradients pass, whatever the input was."""

    def compute_relu(self, input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
        return apply_rule(F.relu, lambda gradient, x: gradient.clamp(min=0), input)


class DeepLiftMode(_RectifierMode):
    """DeepLIFT with the rescale rule (Shrikumar et al. 2017).

    The batch holds the inputs and then their baselines. Max pooling passes gradients to the largest value.
    """

    obstacles = SMOOTH_ACTIVATIONS | OTHER_OPERATIONS

    def compute_relu(self, input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
        return apply_rule(F.relu, _rescale, input)

    def compute_mul(self, input: Tensor, other: Tensor) -> Tensor:  # noqa: A002
        if all(isinstance(factor, Tensor) and factor.requires_grad for factor in (input, other)):
            raise ConfigError(describe_obstacle(self.method, "products of activations"))
        return super().compute_mul(input, other)


def _rescale(gradient: Tensor, x: Tensor) -> Tensor:
    value, baseline = x.chunk(2)
    difference = value - baseline
    tiny = difference.abs() < _SMALLEST_DIFFERENCE
    slope = torch.where(
        tiny, (value > 0).to(x.dtype), (F.relu(value) - F.relu(baseline)) / difference.masked_fill(tiny, 1)
    )
    return gradient * torch.cat([slope, slope])
