from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from inversion import inverter as module
from inversion.config import HypernetworkConfig
from inversion.inverter import Inverter
from inversion.networks.hypernetwork import Hypernetwork
from inversion.prepared import may_prepare, prepared
from tests.inversion.tiny import HYPERNETWORK, some_faces, tiny_generator, tiny_inverter

AT_POINTS = HypernetworkConfig(64, (64, 64, 8, 16), (2, 1, 1, 1), shared_width=8, other_width=16)
"""Some of its convolutions are computed at the points of Winograd."""


def hypernetwork(config: HypernetworkConfig = HYPERNETWORK) -> Hypernetwork:
    """Of which nothing is zero or one, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = Hypernetwork(config, tiny_generator().kernel_shapes)
        for parameter in network.parameters():
            if not parameter.detach().std() > 0:
                torch.nn.init.normal_(parameter, 0.5, 0.2)
        for name, buffer in network.named_buffers():
            if buffer.is_floating_point():
                buffer.uniform_(0.5 if name.endswith("var") else -0.5, 1.5)
    return network.eval()


def layer_by_layer(network: Hypernetwork, faces: Tensor, pictures: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        offsets: dict[str, Tensor] = network(torch.cat([faces, pictures], dim=1))
    return offsets


@torch.no_grad()
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("head", ["separable", "plain"])
@pytest.mark.parametrize("config", [HYPERNETWORK, AT_POINTS], ids=["tiny", "at points"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.03)])
def test_offsets_are_those_of_the_layers(
    dtype: torch.dtype, tolerance: float, config: HypernetworkConfig, head: Literal["separable", "plain"], n: int
) -> None:
    network = hypernetwork(replace(config, other_head=head))
    faces, pictures = some_faces(2 * n).split(n)
    if not may_prepare(network, faces, dtype):
        pytest.skip(f"oneDNN does not convolve in {dtype} on this processor, so the layers compute there")
    expected = layer_by_layer(network, faces, pictures, dtype)
    offsets = prepared(network, dtype).facing(faces)(pictures)
    assert list(offsets) == list(expected)
    for name, value in expected.items():
        assert offsets[name].dtype == dtype
        torch.testing.assert_close(
            offsets[name].float(), value.float(), atol=tolerance * value.abs().max().item(), rtol=0
        )


@torch.no_grad()
def test_only_the_layers_that_are_named_get_offsets_in_their_order() -> None:
    names = ("b64.conv0", "b16.conv1", "b4.conv1")
    network = hypernetwork(replace(HYPERNETWORK, layers=names))
    assert tuple(prepared(network, torch.float32).facing(some_faces(1))(some_faces(1))) == names


@pytest.mark.parametrize("name", ["body.1.conv2.weight", "body.1.bn2.running_var", "relu.weight", "bn1.bias"])
@torch.no_grad()
def test_changed_weights_are_seen(name: str) -> None:
    network, (face, picture) = hypernetwork(), some_faces(2).split(1)
    before = prepared(network, torch.float32).facing(face)(picture)
    assert prepared(network, torch.float32) is prepared(network, torch.float32)
    network.state_dict()[name].mul_(2)
    after = prepared(network, torch.float32).facing(face)(picture)
    expected = layer_by_layer(network, face, picture, torch.float32)
    for kernel, value in expected.items():
        assert not torch.allclose(before[kernel], value)
        torch.testing.assert_close(after[kernel], value, atol=1e-5 * value.abs().max().item(), rtol=0)


def test_what_an_optimiser_changes_is_seen() -> None:
    """A fused one does not say so, but the normalisations of a network that learns do."""
    network, (face, picture) = hypernetwork(), some_faces(2).split(1)
    adam = torch.optim.Adam(network.parameters(), 0.01, fused=True)
    for _ in range(2):
        with torch.no_grad():
            offsets = prepared(network, torch.float32).facing(face)(picture)
            expected = layer_by_layer(network, face, picture, torch.float32)
        for kernel, value in expected.items():
            torch.testing.assert_close(offsets[kernel], value, atol=1e-5 * value.abs().max().item(), rtol=0)
        network.train()
        learnt = network(torch.cat([some_faces(4), some_faces(4, seed=6)], dim=1))
        sum(offset.square().mean() for offset in learnt.values()).backward()
        adam.step()
        network.eval()


def test_training_goes_layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a network that learns was prepared")

    monkeypatch.setattr(module, "prepared", refuse)
    inverter, faces = tiny_inverter(), some_faces(2)
    inverter.hypernet.requires_grad_()
    first, last = inverter.refine(faces, inverter.encode(faces), 1)
    last.reconstruction.square().mean().backward()
    assert all(parameter.grad is not None for parameter in inverter.hypernet.parameters())
    assert not first.reconstruction.requires_grad
    with torch.no_grad():
        inverter.hypernet.train()
        assert len(list(inverter.refine(faces, inverter.encode(faces), 1))) == 2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_inversion_is_that_of_the_layers(
    monkeypatch: pytest.MonkeyPatch, precision: Literal["float32", "bfloat16"]
) -> None:
    inverter, faces = tiny_inverter(), some_faces(3)
    inversion = inverter.invert(faces, 3, precision)
    monkeypatch.setattr(module, "may_prepare", lambda *_: False)
    layers = inverter.invert(faces, 3, precision)
    tolerance = 1e-5 if precision == "float32" else 0.05
    torch.testing.assert_close(inversion.reconstruction, layers.reconstruction, atol=tolerance, rtol=0)
    for name, value in layers.offsets.items():
        torch.testing.assert_close(inversion.offsets[name], value, atol=tolerance * value.abs().max().item(), rtol=0)


def test_only_without_gradients_in_evaluation_mode_on_a_cpu() -> None:
    network, face = hypernetwork(), some_faces(1)
    assert not may_prepare(network, face, torch.float32)
    with torch.no_grad():
        assert may_prepare(network, face, torch.float32)
        assert not may_prepare(network, face.to("meta"), torch.float32)
        assert not may_prepare(network.train(), face, torch.float32)


def test_a_network_that_is_gone_is_not_kept() -> None:
    inverter: Inverter | None = tiny_inverter()
    assert inverter is not None
    inverter.invert(some_faces(1), 1)
    gone = weakref.ref(inverter.hypernet)
    inverter = None
    gc.collect()
    assert gone() is None
