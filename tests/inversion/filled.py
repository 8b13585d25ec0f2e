"""Networks in evaluation mode of which no tensor is zero or one."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

_N = TypeVar("_N", bound=nn.Module)


def fill_network(network: _N) -> _N:
    """Fill what is constant in a new network, and the statistics of its normalisations."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        for parameter in network.parameters():
            if not parameter.detach().std() > 0:
                nn.init.normal_(parameter, 0.5, 0.2)
        for name, buffer in network.named_buffers():
            if buffer.is_floating_point() and not name.endswith(("taps", "fir")):
                buffer.uniform_(0.5 if name.endswith(("var", "deviation")) else -0.5, 1.5)
    return network.eval().requires_grad_(False)
