"""State of a PyTorch optimiser as named tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.errors import CheckpointError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the moments of each parameter, named "NUMBER.MOMENT"."""
    import torch

    return {
        f"{number}.{name}": value
        for number, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
        if isinstance(value, torch.Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Set the moments to those that `optimizer_tensors` returned.

    Raises:
        CheckpointError: tensors of another network.
    """
    import torch

    state: dict[int, dict[str, Tensor]] = {}
    try:
        for key, tensor in tensors.items():
            number, _, name = key.partition(".")
            state.setdefault(int(number), {})[name] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (ValueError, KeyError) as error:
        raise CheckpointError(
            f"the state is not of this network's optimizer ({error}); begin anew in another folder"
        ) from error
    # Fused steps walk through memory, so that a moment must be laid out as its parameter is, such as channels last.
    for parameter, moments in optimizer.state.items():
        for name, tensor in moments.items():
            if isinstance(tensor, torch.Tensor) and tensor.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=tensor.dtype).copy_(tensor).detach()
