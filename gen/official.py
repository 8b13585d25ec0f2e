"""Tensors of published checkpoints, into our networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

from faces.errors import CheckpointError
from gen.layers import SplitEmbedding
from gen.networks import Discriminator, Generator

Network = TypeVar("Network", Generator, Discriminator)

EMBEDDING = "mapping.embed.weight"


def load_stylegan2_ada(net: Network, tensors: Mapping[str, Tensor]) -> Network:
    """Fill a network with tensors named as in NVIDIA's PyTorch checkpoints, and return it.

    The one matrix of the reference's label embedding becomes the two of ours. FIR filters are not needed: ours are
    the same constants.

    Raises:
        CheckpointError: a tensor is missing, left over or of another shape (all are named), or the label embedding
            mixes conditions and ages, which a split embedding cannot represent.
    """
    state = {name: torch.as_tensor(value) for name, value in tensors.items() if not name.endswith("resample_filter")}
    embed = net.mapping.embed if net.mapping is not None else None
    if isinstance(embed, SplitEmbedding) and EMBEDDING in state:
        condition, age = _split_embedding(state.pop(EMBEDDING), embed)
        state["mapping.embed.condition_weight"] = condition
        state["mapping.embed.age_weight"] = age
    load_strict(net, state)
    return net


def load_strict(net: torch.nn.Module, state: Mapping[str, Tensor]) -> None:
    """Fill a network with exactly its own tensors.

    Raises:
        CheckpointError: naming every tensor that is missing, left over or of another shape; nothing is loaded then.
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
    net.load_state_dict(dict(state))


def _split_embedding(weight: Tensor, embed: SplitEmbedding) -> tuple[Tensor, Tensor]:
    rows, (conditions, ages) = len(embed.condition_weight), embed.split
    if weight.shape != (len(embed.bias), conditions + ages):
        raise CheckpointError(
            f"{EMBEDDING} is {tuple(weight.shape)}, "
            f"the network's {(len(embed.bias), conditions + ages)}: {conditions} conditions and {ages} ages"
        )
    stray = weight[:rows, conditions:].count_nonzero() + weight[rows:, :conditions].count_nonzero()
    if stray:
        raise CheckpointError(
            f"{EMBEDDING} has {int(stray)} non-zero values outside its condition block and its age block: "
            "that checkpoint's embedding is not split and cannot be represented by this network"
        )
    return weight[:rows, :conditions], weight[rows:, conditions:]
