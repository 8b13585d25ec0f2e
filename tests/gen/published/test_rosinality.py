from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import CheckpointError, ConfigError
from gen.networks import Discriminator, Generator
from gen.official import load_rosinality
from gen.published.rosinality import load_rosinality_discriminator
from tests.gen.fixtures import D32, G32, randomised
from tests.gen.published.rosinality_files import discriminator_tensors, generator_tensors

G = replace(G32, vocabulary=None)
D = replace(D32, vocabulary=None)


@torch.no_grad()
def test_a_generator_survives_the_layout() -> None:
    source = randomised(Generator(G))
    tensors = generator_tensors(source) | {"latent_avg": source.mapping.w_avg}
    net = load_rosinality(Generator(G), tensors)
    for name, value in source.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name
    rows = tensors | {"latent_avg": source.mapping.w_avg.expand(G.num_ws, -1)}
    assert torch.equal(load_rosinality(Generator(G), rows).mapping.w_avg, source.mapping.w_avg)


@torch.no_grad()
def test_a_missing_average_latent_is_measured() -> None:
    source = randomised(Generator(G))
    net = load_rosinality(Generator(G), generator_tensors(source))
    z = torch.randn(4000, G.z_dim, generator=torch.Generator().manual_seed(77))
    w = source.mapping(z, None)
    assert ((net.mapping.w_avg - w.mean(dim=0)).abs() < 6 * w.std(dim=0) / math.sqrt(4000)).all()


def slow_image(t: dict[str, Tensor], w: Tensor) -> Tensor:
    """The image of w (w_dim,) by the formulas of that program: one kernel for the sample, scale within demodulation."""

    def conv(x: Tensor, name: str, up: bool = False, demodulate: bool = True) -> Tensor:
        weight = t[f"{name}.conv.weight"][0]
        modulation = t[f"{name}.conv.modulation.weight"]
        style = modulation / math.sqrt(modulation.shape[1]) @ w + t[f"{name}.conv.modulation.bias"]
        weight = weight * style[None, :, None, None] / math.sqrt(weight[0].numel())
        if demodulate:
            weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        if not up:
            return F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        return blur(x, t[f"{name}.conv.blur.kernel"], (1, 1))

    def blur(x: Tensor, kernel: Tensor, pad: tuple[int, int]) -> Tensor:
        x = F.pad(x, (*pad, *pad))
        return F.conv2d(x.transpose(0, 1), kernel.flip(0, 1)[None, None]).transpose(0, 1)

    def styled(x: Tensor, name: str, noise: int, up: bool = False) -> Tensor:
        x = conv(x, name, up) + t[f"{name}.noise.weight"] * t[f"noises.noise_{noise}"]
        return F.leaky_relu(x + t[f"{name}.activate.bias"][None, :, None, None], 0.2) * math.sqrt(2)

    def rgb(x: Tensor, name: str) -> Tensor:
        return conv(x, name, demodulate=False) + t[f"{name}.bias"]

    x = styled(t["input.input"], "conv1", 0)
    image = rgb(x, "to_rgb1")
    for i in range(sum(name.endswith("upsample.kernel") for name in t)):
        x = styled(x, f"convs.{2 * i}", 2 * i + 1, up=True)
        x = styled(x, f"convs.{2 * i + 1}", 2 * i + 2)
        zeros = image.new_zeros(1, 3, image.shape[2] * 2, image.shape[3] * 2)
        zeros[:, :, ::2, ::2] = image
        image = blur(zeros, t[f"to_rgbs.{i}.upsample.kernel"], (2, 1)) + rgb(x, f"to_rgbs.{i}")
    return image


@torch.no_grad()
def test_images_are_those_of_the_other_programs_formulas() -> None:
    tensors = generator_tensors(randomised(Generator(G)))
    net = load_rosinality(Generator(G), tensors)
    w = net.map(torch.randn(1, G.z_dim, generator=torch.Generator().manual_seed(6)))
    expected = slow_image(tensors, w[0, 0])
    assert expected.std() > 0.1
    assert (net.synthesize(w) - expected).abs().max() < 1e-4


@torch.no_grad()
def test_a_discriminator_survives_the_layout() -> None:
    source = randomised(Discriminator(D))
    net = load_rosinality_discriminator(Discriminator(D), discriminator_tensors(source))
    for name, value in source.state_dict().items():
        assert torch.equal(net.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"convs.1.conv.weight": None}, r"missing synthesis.b8.conv1.weight \(64, 64, 3, 3\)"),
        ({"convs.0.conv.blur.kernel": torch.ones(4, 4)}, "convs.0.conv.blur.kernel is not the low-pass filter"),
        ({"to_rgbs.0.upsample.kernel": torch.ones(3, 3)}, "to_rgbs.0.upsample.kernel is not the low-pass filter"),
        ({"convs.9.conv.weight": torch.ones(1, 2, 2, 3, 3)}, "unexpected synthesis.b128.conv1.weight"),
        ({"style.1.weight": torch.ones(64, 65)}, r"mapping.fc0.weight is \(64, 65\), the network's \(64, 64\)"),
        ({"style.01.weight": torch.ones(64, 64)}, "mapping.fc0.weight, a place that another tensor has already"),
        ({"style.1.scale": torch.ones(1)}, "'style.1.scale' .1,. is not a tensor of this network"),
        ({"to_rgb1.noise": torch.ones(1)}, "'to_rgb1.noise' .1,. is not a tensor of this network"),
        ({"noises.noise_0": torch.ones(2, 1, 4, 4)}, r"noise_const is \(2, 1, 4, 4\), the network's \(4, 4\)"),
        ({"latent_avg": torch.randn(6, 64)}, "latent_avg has 6 different rows"),
    ],
)
def test_misfits_are_named(change: dict[str, Tensor | None], message: str) -> None:
    tensors = generator_tensors(Generator(G)) | change
    with pytest.raises(CheckpointError, match=message):
        load_rosinality(Generator(G), {name: value for name, value in tensors.items() if value is not None})


def test_misfits_of_a_discriminator_are_named() -> None:
    tensors = discriminator_tensors(Discriminator(D))
    with pytest.raises(CheckpointError, match=r"'convs.0.conv1.0.weight' .3,. is not a tensor"):
        load_rosinality_discriminator(Discriminator(D), tensors | {"convs.0.conv1.0.weight": torch.ones(3)})
    with pytest.raises(CheckpointError, match=r"'stddev' .. is not a tensor"):
        load_rosinality_discriminator(Discriminator(D), tensors | {"stddev": torch.ones(())})


def test_the_layout_has_no_labels() -> None:
    with pytest.raises(ConfigError, match="the generator has labels, and the rosinality layout has none"):
        load_rosinality(Generator(G32), {})
    with pytest.raises(ConfigError, match="the discriminator has labels"):
        load_rosinality_discriminator(Discriminator(D32), {})
