from __future__ import annotations

import pytest
import torch

from core.errors import CheckpointError
from gen.networks import Generator
from gen.official import load_stylegan2_ada
from tests.gen.fixtures import G32, published_tensors


def tensors() -> dict[str, torch.Tensor]:
    return dict(published_tensors("generator_cond_32"))


def test_an_embedding_that_mixes_conditions_and_ages_is_refused_by_name() -> None:
    mixed = tensors()
    mixed["mapping.embed.weight"] = torch.ones(64, 9)
    with pytest.raises(CheckpointError, match=r"mapping.embed.weight has 288 non-zero values outside"):
        load_stylegan2_ada(Generator(G32), mixed)


def test_every_misfit_is_named() -> None:
    wrong = tensors() | {"synthesis.b64.conv0.bias": torch.zeros(3), "mapping.fc1.bias": torch.zeros(63)}
    del wrong["synthesis.b4.const"]
    with pytest.raises(CheckpointError) as caught:
        load_stylegan2_ada(Generator(G32), wrong)
    message = str(caught.value)
    assert "missing synthesis.b4.const (64, 4, 4)" in message
    assert "unexpected synthesis.b64.conv0.bias (3,)" in message
    assert "mapping.fc1.bias is (63,), the network's (64,)" in message


def test_filters_are_not_needed() -> None:
    extra = tensors() | {"synthesis.b8.resample_filter": torch.zeros(4, 4)}
    load_stylegan2_ada(Generator(G32), extra)


def test_an_embedding_of_another_vocabulary_is_refused() -> None:
    wrong = tensors() | {"mapping.embed.weight": torch.zeros(64, 12)}
    with pytest.raises(CheckpointError, match=r"\(64, 12\); expected \(64, 9\), because the network has 4 conditions"):
        load_stylegan2_ada(Generator(G32), wrong)
