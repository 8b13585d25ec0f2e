"""Rendering without gradients computes what the layers compute."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gen import passes, rendering, winograd
from gen.config import GeneratorConfig
from gen.layers import LOW_PASS
from gen.networks import Generator


@pytest.fixture
def threads() -> Iterator[None]:
    """Two threads, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def generator(resolution: int = 32, channels: int = 72, clamp: float | None = None) -> Generator:
    torch.manual_seed(0)
    net = Generator(GeneratorConfig(resolution, 16, 16, 2, 64 * resolution, channels, None, clamp))
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.endswith(("noise_strength", "bias")):
                parameter.add_(torch.randn_like(parameter) / 4)
    return net


def latents(net: Generator, n: int) -> Tensor:
    return torch.randn(n, net.config.num_ws, net.config.w_dim, generator=torch.Generator().manual_seed(n))


@torch.no_grad()
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("noise", ["const", "none", "random"])
@pytest.mark.parametrize("clamp", [None, 0.5])
def test_images_are_those_of_the_layers(n: int, noise: str, clamp: float | None) -> None:
    net = generator(clamp=clamp)
    w, draws = latents(net, n), [[torch.Generator().manual_seed(i) for i in range(n)] for _ in range(2)]
    layers = net.synthesis.layer_by_layer(w, noise, draws[0], torch.float32, {})  # type: ignore[arg-type]
    torch.testing.assert_close(net.synthesize(w, noise, draws[1]), layers, atol=2e-5, rtol=1e-5)  # type: ignore[arg-type]


@torch.no_grad()
def test_bfloat16_is_no_further_off_than_the_layers() -> None:
    net = generator()
    w = latents(net, 4)
    exact = net.synthesis.layer_by_layer(w, "const", None, torch.float32, {})
    layers = net.synthesis.layer_by_layer(w, "const", None, torch.bfloat16, {})
    assert 0 < F.mse_loss(net.synthesize(w, dtype=torch.bfloat16), exact) <= F.mse_loss(layers, exact)


@torch.no_grad()
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("n", [1, 3])
def test_images_with_kernels_of_their_own(n: int, dtype: torch.dtype) -> None:
    net = generator(16, 24)
    names = ["b4.conv1", "b8.conv0", "b16.conv1"]
    offsets = {name: torch.randn(n, *net.kernel_shapes[name]) / 8 for name in names}
    w = latents(net, n)
    layers = net.synthesis.layer_by_layer(w, "const", None, dtype, offsets)
    atol = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(net.synthesize(w, offsets=offsets, dtype=dtype), layers, atol=atol, rtol=1e-5)


@torch.no_grad()
def test_noise_images_of_ones_own() -> None:
    net = generator(8, 16)
    noise = {name: torch.randn(1, 1, *image.shape) for name, image in net.noise_images.items()}
    layers = net.synthesis.layer_by_layer(latents(net, 2), noise, None, torch.float32, {})
    torch.testing.assert_close(net.synthesize(latents(net, 2), noise), layers, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_large_maps_are_computed_a_few_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    net = generator(16, 16)
    at_once = net.synthesize(latents(net, 5))
    monkeypatch.setattr(rendering, "_VALUES_AT_ONCE", 16 * 8 * 8)
    torch.testing.assert_close(net.synthesize(latents(net, 5)), at_once, atol=1e-6, rtol=1e-6)


def test_what_an_optimiser_changes_is_prepared_anew() -> None:
    net = generator(8, 16)
    adam = torch.optim.Adam(net.parameters(), 0.1, fused=True)
    for _ in range(2):
        with torch.no_grad():
            rendered = net.synthesize(latents(net, 1))
        layers = net.synthesize(latents(net, 1))
        torch.testing.assert_close(rendered, layers, atol=1e-5, rtol=1e-5)
        layers.square().mean().backward()
        adam.step()


@torch.no_grad()
def test_changed_weights_are_prepared_anew() -> None:
    net = generator(8, 16).eval()
    before = net.synthesize(latents(net, 1))
    net.get_parameter("synthesis.b8.conv1.weight").mul_(-1)
    after = net.synthesize(latents(net, 1))
    assert not torch.allclose(before, after)
    torch.testing.assert_close(after, net.synthesis.layer_by_layer(latents(net, 1), "const", None, torch.float32, {}))


def test_a_network_that_is_gone_is_not_kept() -> None:
    net = generator(8, 16).eval()
    with torch.inference_mode():
        net.synthesize(latents(net, 1))
    gone = weakref.ref(net.synthesis)
    del net
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("threads")
def test_threads_are_as_many_as_before() -> None:
    net = generator(8, 16)
    with torch.no_grad():
        net.synthesize(latents(net, 4))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("n", "inner", "out", "side"), [(1, 16, 16, 4), (3, 80, 144, 12), (2, 64, 32, 20)])
def test_convolution_at_the_points_of_winograd(
    n: int, inner: int, out: int, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "_VALUES_AT_ONCE", 36 * side // 4 * (inner + out) * 2)  # two rows of tiles
    x = torch.randn(n, inner, side, side).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(out, inner, 3, 3) / (3 * inner**0.5)
    y = torch.empty(n, out, side, side).contiguous(memory_format=torch.channels_last)
    done = list(winograd.convolved(x, winograd.transformed(kernel), y))
    torch.testing.assert_close(y, F.conv2d(x, kernel, padding=1), atol=5e-5, rtol=0)
    assert done[0][0] == 0
    assert done[-1][1] == n * side
    assert all(left[1] == right[0] for left, right in pairwise(done))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [2, 4, 22])
def test_filter_between_two_convolutions(side: int, dtype: torch.dtype) -> None:
    y = torch.randn(2, 3, side + 1, side + 1).to(dtype).contiguous(memory_format=torch.channels_last)
    x = torch.empty(2, 3, side, side, dtype=dtype).contiguous(memory_format=torch.channels_last)
    scale, bias, style = parameters = torch.randn(3, 2, 3)
    noise = torch.randn(2, side, side)
    maps, values = (passes.array(y), passes.array(x)), parameters.transpose(0, 1).contiguous().numpy()
    for rows in ((0, 3), (3, 2 * side)):
        passes.filter_and_finish(*rows, *maps, values, noise.numpy(), 0.5, 4.0)
    smooth = F.conv2d(y.float(), 64 * LOW_PASS.expand(3, 1, 4, 4), padding=1, groups=3)
    expected = smooth * scale[..., None, None] + bias[..., None, None] + noise[:, None] / 2
    expected = F.leaky_relu(expected, 0.2).clamp(-4, 4) * style[..., None, None]
    torch.testing.assert_close(x, expected.to(dtype), atol=1e-5, rtol=1e-5 if dtype == torch.float32 else 2**-8)
