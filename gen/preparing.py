"""What is prepared of a network's weights once, and made anew when they have changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import nn

_N = TypeVar("_N", bound=nn.Module)
_P = TypeVar("_P")


class Preparations(Generic[_N, _P]):
    """What a function prepares of networks, each for a dtype, as long as the networks live.

    Args:
        prepare: must not hold on to the network itself.
    """

    def __init__(self, prepare: Callable[[_N, torch.dtype], _P]) -> None:
        self._prepare = prepare
        self._known: WeakKeyDictionary[_N, dict[torch.dtype, tuple[object, _P]]] = WeakKeyDictionary()

    def __call__(self, network: _N, dtype: torch.dtype) -> _P:
        """What is prepared of this network, made anew when its weights have changed.

        Of one that is being trained it is made anew each time: a fused optimiser changes weights and does not say so.
        """
        if network.training:
            return self._prepare(network, dtype)
        tensors = (*network.parameters(), *network.buffers())
        state = [(t.data_ptr(), -1 if t.is_inference() else t._version) for t in tensors]
        known = self._known.setdefault(network, {})
        if dtype not in known or known[dtype][0] != state:
            known[dtype] = state, self._prepare(network, dtype)
        return known[dtype][1]
