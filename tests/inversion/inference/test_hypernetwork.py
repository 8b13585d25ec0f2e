"""The compiled hypernetwork computes what its layers compute."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from core.precision import Precision, dtype_of
from inversion.config import HypernetworkConfig
from inversion.inference.compiled import HYPERNETWORKS
from inversion.inverter import Inverter
from inversion.networks.hypernetwork import Hypernetwork
from tests.inversion.filled import fill_network
from tests.inversion.tiny import HYPERNETWORK, some_faces, tiny_generator, tiny_inverter

WIDE = HypernetworkConfig(128, (16, 16, 8, 16), (2, 1, 1, 1), shared_width=8, other_width=16)


def make_hypernetwork(config: HypernetworkConfig = HYPERNETWORK) -> Hypernetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = Hypernetwork(config, tiny_generator().kernel_shapes)
    return fill_network(network)


def compute_by_layers(
    network: Hypernetwork, faces: Tensor, pictures: Tensor, precision: Precision = "float32"
) -> dict[str, Tensor]:
    with torch.autocast("cpu", dtype_of(precision), enabled=precision != "float32"):
        offsets: dict[str, Tensor] = network(torch.cat([faces, pictures], dim=1))
    return offsets


def compute_by_engine(
    network: Hypernetwork, faces: Tensor, pictures: Tensor, precision: Precision = "float32"
) -> dict[str, Tensor]:
    compiled = HYPERNETWORKS.find(network)
    assert compiled is not None
    return compiled.face(faces, precision)(pictures)


def assert_close(offsets: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    assert list(offsets) == list(expected)
    for name, value in expected.items():
        assert offsets[name].dtype == torch.float32
        torch.testing.assert_close(offsets[name], value.float(), atol=tolerance * value.abs().max().item(), rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("head", ["separable", "plain"])
@pytest.mark.parametrize("config", [HYPERNETWORK, WIDE], ids=["tiny", "wide"])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.03)])
def test_offsets_are_those_of_the_layers(
    precision: Precision, tolerance: float, config: HypernetworkConfig, head: Literal["separable", "plain"], n: int
) -> None:
    network = make_hypernetwork(replace(config, other_head=head))
    faces, pictures = some_faces(2 * n).split(n)
    expected = compute_by_layers(network, faces, pictures, precision)
    assert_close(compute_by_engine(network, faces, pictures, precision), expected, tolerance)


@torch.no_grad()
def test_only_the_layers_that_are_named_get_offsets_in_their_order() -> None:
    names = ("b64.conv0", "b16.conv1", "b4.conv1")
    network = make_hypernetwork(replace(HYPERNETWORK, layers=names))
    assert tuple(compute_by_engine(network, some_faces(1), some_faces(1))) == names


@torch.no_grad()
@pytest.mark.parametrize("name", ["body.1.conv2.weight", "body.1.bn2.running_var", "relu.weight", "bn1.bias"])
def test_changed_weights_are_compiled_anew(name: str) -> None:
    network, (face, picture) = make_hypernetwork(), some_faces(2).split(1)
    before = compute_by_engine(network, face, picture)
    assert HYPERNETWORKS.find(network) is HYPERNETWORKS.find(network)
    network.state_dict()[name].mul_(2)
    after = compute_by_engine(network, face, picture)
    assert not any(torch.allclose(before[kernel], after[kernel]) for kernel in after)
    assert_close(after, compute_by_layers(network, face, picture))


def test_training_uses_the_layers() -> None:
    inverter, faces = tiny_inverter(), some_faces(2)
    inverter.hypernet.requires_grad_()
    first, last = inverter.refine(faces, inverter.encode(faces), 1)
    last.reconstruction.square().mean().backward()
    assert all(parameter.grad is not None for parameter in inverter.hypernet.parameters())
    assert not first.reconstruction.requires_grad


@torch.no_grad()
def test_what_a_fused_optimiser_changes_is_seen() -> None:
    inverter, faces = tiny_inverter(), some_faces(2)
    inverter.hypernet.requires_grad_()
    adam = torch.optim.Adam(inverter.hypernet.parameters(), 0.01, fused=True)
    before, after = [], []
    for results in (before, after):
        results += list(inverter.refine(faces, inverter.encode(faces), 1))[1].offsets.values()
        with torch.enable_grad():
            offsets = inverter.hypernet(torch.cat([faces, faces], dim=1))
            sum(offset.square().mean() for offset in offsets.values()).backward()
        adam.step()
    assert not any(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_a_network_that_is_gone_is_not_kept() -> None:
    inverter: Inverter | None = tiny_inverter()
    assert inverter is not None
    inverter.invert(some_faces(1), 1)
    gone = [weakref.ref(net) for net in (inverter.hypernet, inverter.w_encoder, inverter.generator)]
    inverter = None
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3
