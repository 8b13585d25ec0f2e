"""Our networks in rosinality's layout: the inverse of what `gen.published.rosinality` reads, written on its own."""

from __future__ import annotations

import torch
from torch import Tensor

from gen.networks import Discriminator, Generator


def _fir(gain: float) -> Tensor:
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return torch.outer(taps, taps) * gain


def generator_tensors(net: Generator) -> dict[str, Tensor]:
    """As `g_ema` of a checkpoint, without latent_avg."""
    state = net.state_dict()
    tensors: dict[str, Tensor] = {}
    for i in range(net.config.mapping_layers):
        for kind in ("weight", "bias"):
            tensors[f"style.{i + 1}.{kind}"] = state[f"mapping.fc{i}.{kind}"]
    tensors["input.input"] = state["synthesis.b4.const"][None]

    def conv(theirs: str, ours: str, noise: int, up: bool) -> None:
        tensors[f"{theirs}.conv.weight"] = state[f"{ours}.weight"][None]
        tensors[f"{theirs}.conv.modulation.weight"] = state[f"{ours}.affine.weight"]
        tensors[f"{theirs}.conv.modulation.bias"] = state[f"{ours}.affine.bias"]
        tensors[f"{theirs}.noise.weight"] = state[f"{ours}.noise_strength"].reshape(1)
        tensors[f"{theirs}.activate.bias"] = state[f"{ours}.bias"]
        tensors[f"noises.noise_{noise}"] = state[f"{ours}.noise_const"][None, None]
        if up:
            tensors[f"{theirs}.conv.blur.kernel"] = _fir(4)

    def rgb(theirs: str, ours: str, up: bool) -> None:
        tensors[f"{theirs}.conv.weight"] = state[f"{ours}.weight"][None]
        tensors[f"{theirs}.conv.modulation.weight"] = state[f"{ours}.affine.weight"]
        tensors[f"{theirs}.conv.modulation.bias"] = state[f"{ours}.affine.bias"]
        tensors[f"{theirs}.bias"] = state[f"{ours}.bias"].reshape(1, 3, 1, 1)
        if up:
            tensors[f"{theirs}.upsample.kernel"] = _fir(4)

    conv("conv1", "synthesis.b4.conv1", 0, up=False)
    rgb("to_rgb1", "synthesis.b4.torgb", up=False)
    for i, resolution in enumerate(net.config.block_resolutions[1:]):
        conv(f"convs.{2 * i}", f"synthesis.b{resolution}.conv0", 2 * i + 1, up=True)
        conv(f"convs.{2 * i + 1}", f"synthesis.b{resolution}.conv1", 2 * i + 2, up=False)
        rgb(f"to_rgbs.{i}", f"synthesis.b{resolution}.torgb", up=True)
    return {name: value.clone() for name, value in tensors.items()}


def discriminator_tensors(net: Discriminator) -> dict[str, Tensor]:
    """As `d` of a checkpoint."""
    state = net.state_dict()
    top = f"b{net.config.resolution}"
    tensors = {"convs.0.0.weight": state[f"{top}.fromrgb.weight"], "convs.0.1.bias": state[f"{top}.fromrgb.bias"]}
    for i, resolution in enumerate(net.config.block_resolutions[:0:-1]):
        block = f"convs.{i + 1}"
        tensors |= {
            f"{block}.conv1.0.weight": state[f"b{resolution}.conv0.weight"],
            f"{block}.conv1.1.bias": state[f"b{resolution}.conv0.bias"],
            f"{block}.conv2.0.kernel": _fir(1),
            f"{block}.conv2.1.weight": state[f"b{resolution}.conv1.weight"],
            f"{block}.conv2.2.bias": state[f"b{resolution}.conv1.bias"],
            f"{block}.skip.0.kernel": _fir(1),
            f"{block}.skip.1.weight": state[f"b{resolution}.skip.weight"],
        }
    for ours, theirs in (("conv", "final_conv.0"), ("fc", "final_linear.0"), ("out", "final_linear.1")):
        tensors[f"{theirs}.weight"] = state[f"b4.{ours}.weight"]
        tensors["final_conv.1.bias" if ours == "conv" else f"{theirs}.bias"] = state[f"b4.{ours}.bias"]
    return {name: value.clone() for name, value in tensors.items()}
