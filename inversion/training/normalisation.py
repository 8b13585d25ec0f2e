"""Batch normalisation over the images of all processes, so that several processes train like one."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from gen.training.distributed import Processes


def synchronise(net: nn.Module, processes: Processes) -> None:
    """Make the batch normalisations of a network see the whole batch; nothing to do for one process."""
    if processes.count == 1:
        return
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = SynchronisedBatchNorm
            module.processes = processes  # type: ignore[assignment]


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose mean and variance are those of all processes, each with as many images."""

    processes: Processes

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        own = torch.cat([x.mean(dim=(0, 2, 3)), x.square().mean(dim=(0, 2, 3))])
        both: Tensor = _MeanOverProcesses.apply(own, self.processes.count)  # type: ignore[no-untyped-call]
        mean, square = both.chunk(2)
        variance = square - mean.square()
        self._update_running(mean.detach(), variance.detach(), x.numel() // x.shape[1] * self.processes.count)
        scale = (variance + self.eps).rsqrt() * self.weight
        normalised: Tensor = x * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
        return normalised

    def _update_running(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None  # noqa: S101  for the type checker
        assert self.running_var is not None  # noqa: S101
        assert self.num_batches_tracked is not None  # noqa: S101
        momentum = self.momentum or 0.1
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), momentum)
        self.num_batches_tracked += 1


class _MeanOverProcesses(torch.autograd.Function):
    """Mean over the processes; its gradient is the mean of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int) -> Tensor:
        ctx.count = count
        return _average(x, count)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _average(gradient, ctx.count), None


def _average(x: Tensor, count: int) -> Tensor:
    total = x.contiguous().clone()
    dist.all_reduce(total)
    return total / count
