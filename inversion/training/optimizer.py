"""Ranger (RAdam with lookahead) or AdamW, the same in every process, with gradients that add up over passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from core.optimizer_state import optimizer_tensors, restore_optimizer
from gen.training.distributed import Processes
from inversion.training.recipe import OptimizerName

_EVERY: Final = 6
_ALPHA: Final = 0.5
_BETAS: Final = (0.95, 0.999)


class Optimizer:
    """Minimises the sum of the losses given since the last step.

    Ranger is RAdam (Liu et al. 2020) whose weights are drawn back half the way to slow ones every six steps
    (lookahead, Zhang et al. 2019); betas 0.95 and 0.999, as HyperStyle was trained.

    Args:
        net: what learns.
        name: see above.
        learning_rate: of either.
        processes: over which gradients are averaged.
    """

    def __init__(self, net: nn.Module, name: OptimizerName, learning_rate: float, processes: Processes) -> None:
        self._parameters: list[Tensor] = [parameter for parameter in net.parameters() if parameter.requires_grad]
        self._processes = processes
        self._steps = 0
        self._looks_ahead = name == "ranger"
        # From the first step on: until then the weights may be given others than they had here.
        self._slow: list[Tensor] = []
        self._fast: torch.optim.Optimizer = (
            torch.optim.RAdam(self._parameters, lr=learning_rate, betas=_BETAS, eps=1e-5)
            if name == "ranger"
            else torch.optim.AdamW(self._parameters, lr=learning_rate)
        )

    def add(self, loss: Tensor) -> None:
        """Add the gradients of a loss."""
        torch.autograd.backward(loss)

    def step(self) -> Tensor:
        """Update by the gradients added so far, and return their norm, a scalar."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._processes.average(gradients)
        norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        if self._looks_ahead and not self._slow:
            self._slow = [parameter.detach().clone() for parameter in self._parameters]
        self._fast.step()
        self._fast.zero_grad(set_to_none=True)
        self._steps += 1
        if self._slow and self._steps % _EVERY == 0:
            self._look_ahead()
        return norm

    @torch.no_grad()
    def _look_ahead(self) -> None:
        torch._foreach_lerp_(self._slow, self._parameters, _ALPHA)
        torch._foreach_copy_(self._parameters, self._slow)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the moments of each parameter and its slow weights, by name."""
        tensors = optimizer_tensors(self._fast)
        tensors |= {f"{index}.slow": value for index, value in enumerate(self._slow)}
        return tensors | {"steps": torch.tensor(self._steps)}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        slow = {int(key.partition(".")[0]): value for key, value in tensors.items() if key.endswith(".slow")}
        moments = {key: value for key, value in tensors.items() if key != "steps" and not key.endswith(".slow")}
        self._slow = [slow[index].to(self._parameters[index]) for index in sorted(slow)]
        self._steps = int(tensors["steps"])
        restore_optimizer(self._fast, moments)
