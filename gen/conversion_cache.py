"""Networks converted for inference on a CPU, each once as long as its weights stay the same."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import nn

_N = TypeVar("_N", bound=nn.Module)
_C = TypeVar("_C")


class ConversionCache(Generic[_N, _C]):
    """Conversions of networks, kept as long as the networks live.

    Args:
        convert: converts a network; the result must not refer to the network itself.
    """

    def __init__(self, convert: Callable[[_N], _C]) -> None:
        self._convert = convert
        self._lock = Lock()
        self._known: WeakKeyDictionary[_N, tuple[object, _C]] = WeakKeyDictionary()

    def __len__(self) -> int:
        """Number of conversions that are kept."""
        return len(self._known)

    def find(self, network: _N) -> _C | None:
        """Return the conversion of a network, made anew when its weights have changed.

        It is None where the network's layers must compute: with gradients, while the network learns, and on a GPU.
        Only frozen networks are converted, because a fused optimiser changes weights without a trace.
        """
        if torch.is_grad_enabled() or network.training or torch.is_autocast_enabled("cpu"):
            return None
        tensors = (*network.parameters(), *network.buffers())
        if any(tensor.device.type != "cpu" or tensor.requires_grad for tensor in tensors):
            return None
        state = [(tensor.data_ptr(), -1 if tensor.is_inference() else tensor._version) for tensor in tensors]
        with self._lock:
            known = self._known.get(network)
            if known is None or known[0] != state:
                known = self._known[network] = state, self._convert(network)
        return known[1]
