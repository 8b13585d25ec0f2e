"""Small files in the layouts of HyperStyle, e4e, pSp and ReStyle, filled by the rule of the parity fixtures."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gen.config import GeneratorConfig
from gen.networks import Generator
from inversion.config import EncoderConfig, HypernetworkConfig, LayerEncoderConfig
from inversion.networks.encoder import WEncoder
from inversion.networks.hypernetwork import Hypernetwork
from inversion.networks.layer_encoder import LayerEncoder
from tests.data.fill import filled
from tests.gen.published.rosinality_files import generator_tensors

WIDTHS, UNITS = (4, 8, 12, 16), (1, 1, 1, 1)


@dataclass(frozen=True)
class Sizes:
    """Sizes of the networks of published files."""

    generator: GeneratorConfig
    hypernetwork: HypernetworkConfig
    encoder: EncoderConfig

    @property
    def average(self) -> Tensor:
        """Return the average latent, a row for each layer."""
        row = torch.from_numpy(filled("latent_avg", (1, self.generator.w_dim), 0, 0.1))
        return row.repeat(self.generator.num_ws, 1)


SMALL = Sizes(
    GeneratorConfig(64, 16, 16, 2, channel_base=512, channel_max=16),
    HypernetworkConfig(256, WIDTHS, UNITS, shared_width=8, other_width=8),
    EncoderConfig(256, WIDTHS, UNITS),
)
FULL = Sizes(GeneratorConfig(1024, channel_base=32768), HypernetworkConfig(), EncoderConfig())
"""Sizes of HyperStyle for faces (FFHQ), as published."""

GENERATOR, AVERAGE = SMALL.generator, SMALL.average


def fill(net: nn.Module, prefix: str) -> dict[str, Tensor]:
    """Return tensors for a network by the fill rule, without the counters of batch normalisation."""
    tensors = {}
    for name, value in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        fan_in = value[0].numel() if value.ndim > 1 else 1
        deviation, mean = (fan_in**-0.5, 0.0) if value.ndim > 1 else (0.1, 0.0)
        if name.endswith(("running_var", "bn1.weight", "bn2.weight")) or ("res_layer" in name and value.ndim == 1):
            mean = 1.0
        filled_in = torch.from_numpy(filled(prefix + name, tuple(value.shape), 0, deviation, mean))
        tensors[prefix + name] = filled_in.abs() if name.endswith("running_var") else filled_in
    return tensors


def decoder(config: GeneratorConfig = GENERATOR) -> dict[str, Tensor]:
    """Return a generator in rosinality's layout, as `decoder.*`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = Generator(config)
        for name, value in net.named_parameters():
            if name.endswith("noise_strength"):
                value.data.fill_(0.05)
    return {f"decoder.{name}": value for name, value in generator_tensors(net).items()}


def kernels(config: GeneratorConfig = GENERATOR) -> dict[str, tuple[int, int, int, int]]:
    with torch.device("meta"):
        return dict(Generator(config).kernel_shapes)


def write_hyperstyle(path: Path, sizes: Sizes = SMALL, **changes: Any) -> Path:
    """Write a checkpoint of HyperStyle; changes replace its entries, None drops one."""
    with torch.device("meta"):
        hypernetwork = Hypernetwork(sizes.hypernetwork, kernels(sizes.generator))
    state = decoder(sizes.generator) | fill(hypernetwork, "hypernet.")
    options = {"output_size": sizes.generator.resolution}
    content = {"state_dict": state, "opts": options, "latent_avg": sizes.average, "global_step": 7}
    return write(path, content, changes)


def write_w_encoder(path: Path, sizes: Sizes = SMALL, **changes: Any) -> Path:
    """Write the file of HyperStyle's W encoder."""
    state = decoder(sizes.generator) | fill(WEncoder(sizes.encoder, sizes.generator.w_dim), "encoder.")
    options = argparse.Namespace(
        encoder_type="WEncoder", output_size=sizes.generator.resolution, start_from_latent_avg=True
    )
    return write(path, {"state_dict": state, "opts": options, "latent_avg": sizes.average[0]}, changes)


LAYER_ENCODERS = {
    "GradualStyleEncoder": LayerEncoderConfig(256, WIDTHS, UNITS, GENERATOR.num_ws),
    "Encoder4Editing": LayerEncoderConfig(256, WIDTHS, UNITS, GENERATOR.num_ws, relative=True),
    "BackboneEncoder": LayerEncoderConfig(256, WIDTHS, UNITS, GENERATOR.num_ws, pyramid=False, passes=5),
    "ProgressiveBackboneEncoder": LayerEncoderConfig(
        256, WIDTHS, UNITS, GENERATOR.num_ws, pyramid=False, relative=True, passes=5
    ),
}
"""Encoders into W+ by their names: pSp, e4e, and ReStyle with either."""


def write_encoder(path: Path, kind: str, **changes: Any) -> Path:
    """Write a checkpoint of pSp, e4e or ReStyle."""
    net = LayerEncoder(LAYER_ENCODERS[kind], 16) if kind in LAYER_ENCODERS else WEncoder(SMALL.encoder, 16)
    state = decoder() | fill(net, "encoder.")
    options = {"encoder_type": kind, "stylegan_size": 64, "start_from_latent_avg": True}
    return write(path, {"state_dict": state, "opts": options, "latent_avg": AVERAGE}, changes)


def write(path: Path, content: dict[str, Any], changes: dict[str, Any]) -> Path:
    merged = {name: value for name, value in (content | changes).items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(merged, path)
    return path
