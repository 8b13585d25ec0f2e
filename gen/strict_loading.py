"""Strict loading of tensors into a network: exactly its own, or an error that names every misfit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from core.errors import CheckpointError
from gen.kernels.lowpass import LOW_PASS


@dataclass(frozen=True)
class Placement:
    """Destination of one tensor of another program's checkpoint.

    Args:
        name: name in the file.
        shape: shape in the file.
        destination: our name or names; empty if the tensor is not needed.
        note: how it was changed, or why it is not needed.
    """

    name: str
    shape: tuple[int, ...]
    destination: str
    note: str = ""


@dataclass
class Translation:
    """Tensors under our names, and the placement of each; filled by `place` and `constant`."""

    state: dict[str, Tensor] = field(default_factory=dict)
    placements: list[Placement] = field(default_factory=list)

    def place(self, name: str, value: Tensor, ours: Mapping[str, Tensor], note: str = "") -> None:
        """Place `value` as these tensors of ours.

        Raises:
            CheckpointError: another tensor has this place already.
        """
        if taken := ours.keys() & self.state.keys():
            raise CheckpointError(f"{name!r:.200} is {', '.join(taken)}, a place that another tensor has already")
        self.state |= ours
        self.placements.append(Placement(name, tuple(value.shape), ", ".join(ours), note))

    def constant(self, name: str, value: Tensor, gain: float = 1) -> None:
        """Check and leave out a filter that our networks have built in and other layouts store with every layer.

        Raises:
            CheckpointError: the filter differs.
        """
        if value.shape != LOW_PASS.shape or not torch.allclose(value.float(), LOW_PASS * gain, atol=1e-5):
            raise CheckpointError(f"{name} is not the low-pass filter [1, 3, 3, 1] that our networks have built in")
        self.placements.append(Placement(name, tuple(value.shape), "", "constant, built in"))


def check_fits(net: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """Compare names and shapes only; the network may be on the meta device.

    Raises:
        CheckpointError: a tensor is missing, left over or of another shape; the message names all.
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
    """Fill a network with exactly its own tensors. It raises the errors of `check_fits`, and then loads nothing."""
    check_fits(net, state)
    net.load_state_dict(dict(state))
