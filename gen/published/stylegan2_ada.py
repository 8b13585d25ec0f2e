"""Loader of the tensors of NVIDIA's StyleGAN2-ADA checkpoints for PyTorch into our networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar

import torch
from torch import Tensor

from core.errors import CheckpointError
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.published.stylegan2_ada_config import convert_config
from gen.published.stylegan2_ada_pickle import read_stylegan2_ada_pickle
from gen.strict_loading import Translation, load_strict

Network = TypeVar("Network", Generator, Discriminator)

EMBEDDING: Final = "mapping.embed.weight"
RESAMPLE_FILTER: Final = "resample_filter"


def load_stylegan2_ada(net: Network, tensors: Mapping[str, Tensor]) -> Network:
    """Fill a network with tensors named as in NVIDIA's PyTorch checkpoints, and return it.

    The single matrix of NVIDIA's label embedding is split into our two matrices. FIR filters in the checkpoint are not
    needed, because our networks have the same constants.

    Raises:
        CheckpointError: a tensor is missing, left over or of another shape (all are named), or the label embedding
            mixes conditions and ages, which a split embedding cannot represent.
    """
    needed = {name: torch.as_tensor(value) for name, value in tensors.items() if not name.endswith(RESAMPLE_FILTER)}
    load_strict(net, translate(needed, net.config.vocabulary).state)
    return net


def translate(tensors: Mapping[str, Tensor], vocabulary: Vocabulary | None) -> Translation:
    """Rename tensors of a StyleGAN2-ADA checkpoint to our names.

    Raises:
        CheckpointError: a filter that is not ours, or a label embedding of another size than the vocabulary's or that
            mixes conditions and ages.
    """
    to = Translation()
    for name, value in tensors.items():
        if name.endswith(RESAMPLE_FILTER):
            to.constant(name, value)
        elif name == EMBEDDING and vocabulary is not None:
            condition, age = _split_embedding(value, vocabulary)
            halves = {"mapping.embed.condition_weight": condition, "mapping.embed.age_weight": age}
            to.place(name, value, halves, "split")
        else:
            to.place(name, value, {name: value})
    return to


def read_pickle(
    path: str | Path, vocabulary: Vocabulary | None = None
) -> dict[str, tuple[GeneratorConfig | DiscriminatorConfig, dict[str, Tensor]]]:
    """Read the networks of a pickle by their keys (G, D, G_ema): configuration, and tensors under their own names.

    Nothing in the file is run (see `gen/published/stylegan2_ada_pickle.py`). `load_stylegan2_ada` takes the tensors.

    Args:
        vocabulary: names for the columns of the labels of a conditional checkpoint, conditions before ages.

    Raises:
        CheckpointError: no such file, a broken one, one that asks for a global outside the list or for an argument that
            our networks do not have (both are named), or labels without a vocabulary of as many columns.
    """
    networks = read_stylegan2_ada_pickle(Path(path)).networks
    return {key: (convert_config(saved, vocabulary), dict(saved.tensors)) for key, saved in networks.items()}


def _split_embedding(weight: Tensor, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    conditions, ages = len(vocabulary.conditions), len(vocabulary.ages)
    if weight.ndim != 2 or weight.shape[1] != conditions + ages:
        raise CheckpointError(
            f"{EMBEDDING} is {tuple(weight.shape)}; expected {(len(weight), conditions + ages)}, "
            f"because the network has {conditions} conditions and {ages} ages"
        )
    rows = len(weight) // 2
    stray = weight[:rows, conditions:].count_nonzero() + weight[rows:, :conditions].count_nonzero()
    if stray:
        raise CheckpointError(
            f"{EMBEDDING} has {int(stray)} non-zero values outside its condition block and its age block: "
            "that checkpoint's embedding is not split and cannot be represented by this network"
        )
    return weight[:rows, :conditions], weight[rows:, conditions:]
