"""File of an inverter: one safetensors file with both networks and the data needed to use and to cite them.

The discriminator whose features judge its results is loaded here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from core import tensor_files
from core.errors import CheckpointError, ConfigError
from gen import checkpoint
from gen.checkpoint import fingerprint
from gen.networks import Discriminator, Generator
from gen.strict_loading import load_strict
from inversion.config import HypernetworkConfig, LayerEncoderConfig, TrunkConfig, encoder_config
from inversion.encoder_inverter import EncoderInverter
from inversion.inverter import Inverter
from inversion.quality import Judge, QualityLimits

_KIND: Final = "inverter"
_GENERATOR: Final = "generator."


@dataclass(frozen=True)
class InverterInfo:
    """Metadata of an inverter's file.

    Args:
        generator: fingerprint of the generator that it belongs to.
        origin: data and training.
        licence: SPDX name.
        images_seen: faces shown in training, by stage.
        limits: of the verdict; None where none were measured.
        least_gain: see Inverter.
        figures: what it reaches on held-out faces, by name.
    """

    generator: str
    origin: str = ""
    licence: str = "Apache-2.0"
    images_seen: Mapping[str, int] = field(default_factory=dict)
    limits: QualityLimits | None = None
    least_gain: float | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


def save(path: Path, inverter: Inverter, info: InverterInfo) -> None:
    """Write its networks without the generator; the file appears whole or not at all.

    Matrices and kernels are stored in float16, half as large, unless a value is too large for it.
    """
    encoder: Any = inverter.w_encoder.config
    header = {
        "network": _KIND,
        "encoder": encoder.to_json(),
        "hypernetwork": None if isinstance(inverter, EncoderInverter) else inverter.hypernet.config.to_json(),
        "generator": info.generator,
        "origin": info.origin,
        "licence": info.licence,
        "images_seen": dict(info.images_seen),
        "limits": info.limits and info.limits.to_json(),
        "least_gain": info.least_gain,
        "figures": dict(info.figures),
    }
    tensors = {name: _to_storage(value) for name, value in _own_tensors(inverter).items()}
    tensor_files.write(path, tensors, header)


def read_info(path: Path) -> InverterInfo:
    """Read the metadata of a file; errors as `load`."""
    return _parse_info(path, tensor_files.read_header(path))


def load(path: Path, generator: Generator, judge: Judge = Judge(), *, of_another: bool = False) -> Inverter:
    """Load an inverter in evaluation mode on the CPU, with the limits of its file in its judge.

    Args:
        generator: the one that it belongs to.
        judge: what else is measured.
        of_another: take the networks of another generator's inverter too, if they fit, to train them on: one that was
            fine-tuned from it begins best with them. The average latent is the generator's own then.

    Raises:
        CheckpointError: no such file, a damaged one, not an inverter, another generator's, or one of other sizes.
    """
    tensors, header = tensor_files.read(path)
    info = _parse_info(path, header)
    if info.generator != (ours := fingerprint(generator)) and not of_another:
        raise CheckpointError(
            f"{path} belongs to the generator {info.generator[:12]}, this is {ours[:12]}; "
            "name that one, or train an inverter for this one: `gestaltgen train-encoder --help`"
        )
    if header["hypernetwork"] is None and of_another:
        raise CheckpointError(f"{path} holds an encoder alone; expected an inverter that `train-encoder` made")
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten below
        inverter = _make_inverter(generator, header, replace(judge, limits=info.limits), info)
    own = _own_tensors(inverter)
    state = {name: value.to(own[name].dtype) if name in own else value for name, value in tensors.items()}
    if info.generator != ours:
        state["latent_avg"] = own["latent_avg"]
    load_strict(inverter, state | {name: v for name, v in inverter.state_dict().items() if name.startswith(_GENERATOR)})
    return inverter.eval().requires_grad_(False)


def _make_inverter(generator: Generator, header: Mapping[str, Any], judge: Judge, info: InverterInfo) -> Inverter:
    encoder = encoder_config(header["encoder"])
    if header["hypernetwork"] is None and not isinstance(encoder, TrunkConfig):
        return EncoderInverter(generator, encoder, judge)
    if isinstance(encoder, LayerEncoderConfig):
        raise CheckpointError("an encoder into W+ beside a hypernetwork; expected an encoder into W")
    hypernetwork = HypernetworkConfig.from_json(header["hypernetwork"])
    return Inverter(generator, encoder, hypernetwork, judge, info.least_gain)


def load_discriminator(path: Path, generator: Generator) -> Discriminator:
    """Load the discriminator of a generator.

    Raises:
        CheckpointError: no such file, or a damaged one.
        ConfigError: the file holds something else, or a discriminator of another size.
    """
    judge, side = checkpoint.load(path), generator.config.resolution
    if not isinstance(judge, Discriminator) or judge.config.resolution != side:
        raise ConfigError(f"{path} holds no discriminator of {side} px; expected that of the generator")
    return judge


def _own_tensors(inverter: Inverter) -> dict[str, Tensor]:
    """Return the inverter's tensors without the generator's."""
    return {name: value for name, value in inverter.state_dict().items() if not name.startswith(_GENERATOR)}


def _to_storage(value: Tensor) -> Tensor:
    if value.ndim < 2 or not value.is_floating_point():
        return value
    half = value.half()
    return half if half.isfinite().all() else value


def _parse_info(path: Path, header: Mapping[str, Any]) -> InverterInfo:
    if header.get("network") != _KIND:
        raise CheckpointError(f"{path} holds {header.get('network', 'no network')}; expected an inverter")
    with tensor_files.refuse_malformed_header(path, "an inverter's file"):
        return InverterInfo(
            header["generator"],
            header["origin"],
            header["licence"],
            header["images_seen"],
            None if header["limits"] is None else QualityLimits.from_json(header["limits"]),
            header["least_gain"],
            header["figures"],
        )
