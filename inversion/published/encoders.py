"""Loader of the encoders of pSp, e4e and ReStyle, and of HyperStyle's W encoder where it is used alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from core.errors import CheckpointError, ConfigError
from gen.networks import Generator
from gen.strict_loading import load_strict
from inversion.config import EncoderConfig, LayerEncoderConfig
from inversion.encoder_inverter import EncoderInverter
from inversion.official import COUNTER, REMEDY, check_complete

PASSES: Final = 5
"""Passes that ReStyle's encoders make, as published."""


@dataclass(frozen=True)
class EncoderKind:
    """How an encoder of another program maps features to rows of the latent.

    Attributes:
        rows: a row for each layer; otherwise one for all.
        pyramid, relative: see LayerEncoderConfig.
    """

    rows: bool
    pyramid: bool = False
    relative: bool = False


KINDS: Final[Mapping[str, EncoderKind]] = {
    "WEncoder": EncoderKind(rows=False),
    "SingleStyleCodeEncoder": EncoderKind(rows=False),
    "BackboneEncoderUsingLastLayerIntoW": EncoderKind(rows=False),
    "GradualStyleEncoder": EncoderKind(rows=True, pyramid=True),
    "Encoder4Editing": EncoderKind(rows=True, pyramid=True, relative=True),
    "BackboneEncoder": EncoderKind(rows=True),
    "ProgressiveBackboneEncoder": EncoderKind(rows=True, relative=True),
}
"""Encoders that can be read, by `encoder_type` in the options of their file."""


def check_kind(options: Mapping[str, Any], where: str) -> str:
    """Return the kind of the encoder that the options of a file name.

    Raises:
        CheckpointError: there is none, or it cannot be read.
    """
    kind = options.get("encoder_type")
    if kind not in KINDS:
        said = "does not say which encoder it holds" if kind is None else f"holds a {kind!r:.100}, which is not read"
        raise CheckpointError(
            f"{where} {said} (`encoder_type` in its `opts`); expected the file that the project published, with one of "
            f"{', '.join(KINDS)}"
        )
    return str(kind)


def load_encoder(
    tensors: Mapping[str, Tensor], options: Mapping[str, Any], generator: Generator, average: Tensor
) -> EncoderInverter:
    """Load an encoder for a generator, in evaluation mode.

    Args:
        tensors: of the encoder, named as in its file without `encoder.`.
        options: plain values of `opts` in its file: `encoder_type`, `start_from_latent_avg`.
        generator: that its latents are for.
        average: latent (w_dim,) or (num_ws, w_dim) that its answers are relative to.

    Raises:
        CheckpointError: a kind of encoder that is not read, tensors that are unknown, missing or of another shape, or
            an encoder of another generator's size.
    """
    name = check_kind(options, "the file")
    try:
        config = _read_config(tensors, KINDS[name])
        with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten below
            inverter = EncoderInverter(generator, config)
    except (KeyError, IndexError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise CheckpointError(f"the encoder does not fit: {error}; or {REMEDY}") from None
        raise CheckpointError(f"these are not the tensors of a {name}: {error} is missing; {REMEDY}") from None
    if options.get("start_from_latent_avg", True):
        inverter.latent_avg.copy_(average)
    else:
        inverter.latent_avg.zero_()
    state = inverter.w_encoder.state_dict()
    check_complete(state, tensors, f"the encoder ({name})")
    counters = {name: value for name, value in state.items() if name.endswith(COUNTER)}
    load_strict(inverter.w_encoder, counters | dict(tensors))
    return inverter.eval().requires_grad_(False)


def _read_config(tensors: Mapping[str, Tensor], kind: EncoderKind) -> EncoderConfig | LayerEncoderConfig:
    units = 1 + max(int(m[1]) for name in tensors if (m := re.match(r"body\.(\d+)\.", name)))
    widths = [len(tensors[f"body.{unit}.res_layer.1.weight"]) for unit in range(units)]
    stages = tuple(sorted(set(widths)))
    counts = tuple(widths.count(width) for width in stages)
    channels = tensors["input_layer.0.weight"].shape[1]
    if not kind.rows:
        if channels != 3:
            raise ConfigError(f"an encoder into W that reads {channels} channels; expected 3")
        return EncoderConfig(256, stages, counts)
    rows = 1 + max(int(m[1]) for name in tensors if (m := re.match(r"styles\.(\d+)\.", name)))
    halvings = sum(re.fullmatch(r"styles\.0\.convs\.\d+\.weight", name) is not None for name in tensors)
    if channels not in (3, 6):
        raise ConfigError(f"the encoder reads {channels} channels; expected 3, or 6 with the reconstruction")
    return LayerEncoderConfig(
        16 * 2**halvings, stages, counts, rows, kind.pyramid, kind.relative, passes=PASSES if channels == 6 else 0
    )
