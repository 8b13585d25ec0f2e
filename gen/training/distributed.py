"""Training in several processes: each computes its share of every batch, and their results are averaged.

The groups of the minibatch standard deviation stay whole within a share, and every process draws the random numbers
of the whole batch, so the losses are those of one process with the same batch.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from core.errors import ConfigError


@dataclass(frozen=True)
class Processes:
    """Rank of this process among those that train together.

    Args:
        rank: number of this process, from 0; the first one logs and saves.
        count: number of all processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def check(self, batch: int, group: int) -> None:
        """Raise ConfigError if a batch cannot be divided into whole groups of the minibatch deviation."""
        if self.count > 1 and batch % (self.count * group):
            raise ConfigError(
                f"a batch of {batch} for {self.count} processes, compared in groups of {group}; "
                f"expected a multiple of {self.count * group}"
            )

    def share(self, n: int, group: int = 1) -> Tensor:
        """Return the indices of this process's share of n images, in order; images i, i + n/group, … stay together."""
        columns = n // group
        first, last = (columns * rank // self.count for rank in (self.rank, self.rank + 1))
        return torch.arange(n).reshape(group, columns)[:, first:last].flatten()

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over the processes."""
        if self.count > 1:
            flat = torch.cat([tensor.flatten() for tensor in tensors])
            dist.all_reduce(flat)
            flat /= self.count
            for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(mean.view_as(tensor))

    def any(self, value: bool, device: torch.device) -> bool:
        """Tell whether `value` is true in any process."""
        if self.count == 1:
            return value
        flag = torch.tensor(float(value), device=device)
        dist.all_reduce(flag)
        return flag.item() > 0

    def wait(self) -> None:
        """Wait until every process has come to this call."""
        if self.count > 1:
            dist.barrier()


def group_size(batch: int, largest: int) -> int:
    """Return the number of images that the minibatch standard deviation compares, a divisor of the batch."""
    return next(size for size in range(min(largest, batch), 0, -1) if batch % size == 0)


@contextmanager
def processes_of_torchrun(device: torch.device) -> Iterator[Processes]:
    """Connect the processes that `torchrun` started (NCCL on GPUs, gloo on CPUs), or return this one alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Processes()
        return
    # Optimizers import it at their first step; defaults in it would then keep the group, and gloo's threads, which now
    # and then abort the process as the interpreter ends.
    importlib.import_module("torch._dynamo")
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), count)
        dist.barrier()  # a process that leaves before the others are done takes their connections with it
    finally:
        dist.destroy_process_group()
