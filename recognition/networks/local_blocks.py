"""Blocks of a network whose outputs depend on inputs nearby alone, and networks without separate normalisations."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_M = TypeVar("_M", bound=nn.Module)


@dataclass(frozen=True)
class LocalBlock:
    """Block whose output at i depends on its inputs from stride * i - radius to stride * i + radius alone.

    Attributes:
        module: maps feature maps (n, c, h, w) to (n, c', h / stride, w / stride).
        stride, radius: in pixels of its input, for rows and columns alike.
    """

    module: nn.Module
    stride: int
    radius: int


def merge_normalizations(network: _M) -> _M:
    """Return a copy of a network in evaluation mode that computes the same with fewer operations.

    Each batch normalisation is merged into the convolution before it. Both must be members of one module, in the order
    in which they are computed. The copy's weights take no gradients.
    """
    merged = copy.deepcopy(network).requires_grad_(False)
    for module in [*merged.modules()]:
        members = [*module.named_children()]
        for (name, first), (next_name, second) in pairwise(members):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(first, second))
                setattr(module, next_name, nn.Identity())
    return merged
