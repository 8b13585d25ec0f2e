"""Tensors into a network: exactly its own, or an error that names every misfit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.errors import CheckpointError
from gen.kernels.lowpass import LOW_PASS


@dataclass(frozen=True)
class Placement:
    """The place that one tensor of a foreign checkpoint was loaded into.

    Args:
        name: as the file calls it.
        shape: in the file.
        destination: our name or names; empty where the tensor is not needed.
        note: what was done to it, or why it is not needed.
    """

    name: str
    shape: tuple[int, ...]
    destination: str
    note: str = ""


@dataclass
class Translation:
    """Tensors under our names, and what became of each; filled by `place` and `constant`."""

    state: dict[str, Tensor] = field(default_factory=dict)
    placements: list[Placement] = field(default_factory=list)

    def place(self, name: str, value: Tensor, ours: Mapping[str, Tensor], note: str = "") -> None:
        """Take `value` as these tensors of ours.

        Raises:
            CheckpointError: another tensor is there already.
        """
        if taken := ours.keys() & self.state.keys():
            raise CheckpointError(f"{name!r:.200} is {', '.join(taken)}, which another tensor is already")
        self.state |= ours
        self.placements.append(Placement(name, tuple(value.shape), ", ".join(ours), note))

    def constant(self, name: str, value: Tensor, gain: float = 1) -> None:
        """Leave a filter out that our networks have built in, and other layouts store with every layer, after a look.

        Raises:
            CheckpointError: it is another filter.
        """
        if value.shape != LOW_PASS.shape or not torch.allclose(value.float(), LOW_PASS * gain, atol=1e-5):
            raise CheckpointError(f"{name} is not the low-pass filter [1, 3, 3, 1] that our networks have built in")
        self.placements.append(Placement(name, tuple(value.shape), "", "constant, built in"))


def check_fits(net: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare names and shapes alone; the network may be on the meta device.

    Raises:
        CheckpointError: naming every tensor that is missing, left over or of another shape.
    """
    own = net.state_dict()
    problems = [f"missing {name} {tuple(own[name].shape)}" for name in own.keys() - state.keys()]
    problems += [f"unexpected {name} {tuple(state[name].shape)}" for name in state.keys() - own.keys()]
    problems += [
        f"{name} is {tuple(state[name].shape)}, the network's {tuple(own[name].shape)}"
        for name in own.keys() & state.keys()
        if own[name].shape != state[name].shape
    ]
    if problems:
        raise CheckpointError(
            "the tensors do not fit the network; take the configuration of their own checkpoint. "
            + "; ".join(sorted(problems))
        )


def load_strict(net: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """Fill a network with exactly its own tensors; errors as `check_fits`, and nothing is loaded then."""
    check_fits(net, state)
    net.load_state_dict(dict(state))
