"""Optimiser of one network: Adam corrected for lazy regularisation, the same in every process, with scaled losses in
float16.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from core.errors import TrainingError
from core.optimizer_state import optimizer_tensors, restore_optimizer
from gen.training.distributed import Processes

_SMALLEST_SCALE = 2.0**-10


class Optimizer:
    """Adam with betas (0, 0.99) on a network.

    Args:
        net: network, whose parameters become contiguous.
        learning_rate: learning rate before the correction.
        interval: steps between two penalties that have an update of their own. Every k steps k + 1 updates are made,
            so that the learning rate is scaled by k/(k + 1) and the betas raised to that power (Karras et al. 2020,
            section 3). 0 for none.
        scaled: scale losses against the underflow of float16 gradients, and skip updates that overflow.
        processes: processes over which gradients are averaged.
    """

    def __init__(
        self, net: nn.Module, learning_rate: float, interval: int, *, scaled: bool, processes: Processes
    ) -> None:
        pace = interval / (interval + 1) if interval else 1.0
        self._parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self._device = self._parameters[0].device
        self._adam = torch.optim.Adam(
            self._parameters, lr=learning_rate * pace, betas=(0.0, 0.99**pace), eps=1e-8, fused=True
        )
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=scaled)
        self._processes = processes

    def step(self, loss: Tensor) -> Tensor:
        """Minimise a loss by one update.

        Returns:
            Norm of its gradient, a scalar.

        Raises:
            TrainingError: float16 gradients overflow at any scale.
        """
        self._adam.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._processes.average(gradients)
        self._scaler.unscale_(self._adam)
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        self._scaler.step(self._adam)
        self._scaler.update()
        if self._scaler.is_enabled() and self._scaler.get_scale() < _SMALLEST_SCALE:
            raise TrainingError("gradients overflow in float16 at any scale; resume with --precision bfloat16")
        return norm

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments of each parameter and the scale of the losses, by name."""
        tensors = optimizer_tensors(self._adam)
        if self._scaler.is_enabled():
            scale = self._scaler.state_dict()
            tensors |= {f"scaler.{name}": torch.tensor(scale[name]) for name in ("scale", "_growth_tracker")}
        return tensors

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        scale = {key.removeprefix("scaler."): tensors[key].item() for key in tensors if key.startswith("scaler.")}
        restore_optimizer(self._adam, {key: tensors[key] for key in tensors if not key.startswith("scaler.")})
        if scale and self._scaler.is_enabled():
            self._scaler.load_state_dict(self._scaler.state_dict() | scale)


def is_finite(net: nn.Module) -> bool:
    """Tell whether every weight is finite."""
    norms = torch._foreach_norm([tensor.detach() for tensor in net.parameters()], ord=math.inf)
    return bool(torch.stack(norms).isfinite().all())


@contextmanager
def freeze(net: nn.Module) -> Iterator[None]:
    """Keep the weights of a network fixed in what is computed inside the context."""
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)
