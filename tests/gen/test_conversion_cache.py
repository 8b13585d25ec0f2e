from __future__ import annotations

import gc

import torch
from torch import nn

from gen.conversion_cache import ConversionCache


def make_network() -> nn.Module:
    return nn.BatchNorm1d(2).eval().requires_grad_(False)


@torch.no_grad()
def test_a_network_is_converted_once_until_its_weights_change() -> None:
    numbers = iter(range(9))
    cache = ConversionCache(lambda network: next(numbers))
    one, other = make_network(), make_network()
    assert [cache.find(network) for network in (one, other, one)] == [0, 1, 0]
    one.get_parameter("weight").mul_(2)
    assert cache.find(one) == 2
    one.get_buffer("running_mean").add_(1)
    assert [cache.find(one), cache.find(other)] == [3, 1]


def test_a_conversion_ends_with_its_network() -> None:
    cache = ConversionCache(lambda network: object())
    network = make_network()
    with torch.no_grad():
        cache.find(network)
    del network
    gc.collect()
    assert len(cache) == 0


def test_layers_compute_with_gradients_in_training_and_on_another_device() -> None:
    cache = ConversionCache(lambda network: 1)
    network = make_network()
    assert cache.find(network) is None
    with torch.no_grad():
        assert cache.find(network) == 1
        assert cache.find(network.train()) is None
        assert cache.find(network.eval().requires_grad_()) is None
        assert cache.find(network.requires_grad_(False).to("meta")) is None
        with torch.autocast("cpu", torch.bfloat16):
            assert cache.find(make_network()) is None
