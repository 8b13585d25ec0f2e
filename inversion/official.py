"""Loader of the published HyperStyle checkpoints.

The path is stable for programs outside this repository; loaders of generators alone are in `gen.published`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import torch
from torch import Tensor

from core.errors import CheckpointError
from gen.config import GeneratorConfig
from gen.networks import Generator
from gen.published.rosinality import LATENT_AVG, load_rosinality, translate_generator
from gen.published.shapes import config_from_shapes
from gen.strict_loading import load_strict
from inversion.config import EncoderConfig, HypernetworkConfig
from inversion.inverter import Inverter
from inversion.networks.hypernetwork import layer_numbers

COUNTER: Final = "num_batches_tracked"
"""Counter of batch normalisation. Our networks have it too, but not every file does."""


REMEDY: Final = "the file is incomplete or of another program; download it again from its project"

_LISTED: Final = 3
"""Names of tensors that an error lists."""


def load_hyperstyle(tensors: Mapping[str, Tensor], conv_clamp: float | None = None) -> Inverter:
    """Load an inverter from `decoder.*`, `hypernet.*`, `w_encoder.*` and `latent_avg`, in evaluation mode.

    Widths, depths and layers are read from the shapes; the images that the networks see are of the size from which the
    hypernetwork's blocks come down to one pixel, 256 as published. As published, all passes are made.

    Args:
        tensors: named as in the published checkpoints; the decoder in rosinality's layout, `latent_avg` (w_dim,) or
            (num_ws, w_dim).
        conv_clamp: limit of each layer's output of the decoder, which the tensors do not tell.

    Raises:
        CheckpointError: a tensor is unknown, missing or of another shape; all by name.
    """
    average: Tensor | None = None
    parts: dict[str, dict[str, Tensor]] = {"decoder": {}, "hypernet": {}, "w_encoder": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        if part in parts and rest:
            parts[part][rest] = torch.as_tensor(value)
        elif name == LATENT_AVG:
            average = torch.as_tensor(value)
        else:
            raise CheckpointError(f"{name!r:.200}: expected decoder.*, hypernet.*, w_encoder.* and {LATENT_AVG} alone")
    if missing := [part for part, found in parts.items() if not found]:
        raise CheckpointError(f"no tensor of {', '.join(missing)}; expected decoder.*, hypernet.* and w_encoder.*")
    if average is None:
        raise CheckpointError(f"{LATENT_AVG} is missing: the encoder's answers are relative to it")
    decoder = load_decoder(parts["decoder"], average, conv_clamp)
    try:
        encoder = _read_encoder_config(parts["w_encoder"])
        hypernetwork = _read_hypernetwork_config(parts["hypernet"], tuple(decoder.kernel_shapes))
        with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten below
            inverter = Inverter(decoder, encoder, hypernetwork)
    except KeyError as error:
        raise CheckpointError(f"these are not the tensors of a HyperStyle checkpoint: {error} is missing") from None
    except (ValueError, IndexError) as error:
        raise CheckpointError(f"these are not the tensors of a HyperStyle checkpoint: {error}") from None
    inverter.latent_avg.copy_(average)
    for net, part in ((inverter.hypernet, "hypernet"), (inverter.w_encoder, "w_encoder")):
        check_complete(net.state_dict(), parts[part], part)
        counters = {name: value for name, value in net.state_dict().items() if name.endswith(COUNTER)}
        load_strict(net, counters | parts[part])
    return inverter.eval().requires_grad_(False)


def load_decoder(tensors: Mapping[str, Tensor], average: Tensor, conv_clamp: float | None = None) -> Generator:
    """Load the generator of a published inverter, named without `decoder.`, with its average latent.

    Raises:
        CheckpointError: a tensor is unknown, missing or of another shape.
    """
    config = config_from_shapes(translate_generator(tensors).state, conv_clamp=conv_clamp)
    if not isinstance(config, GeneratorConfig):
        raise CheckpointError("decoder.* holds no generator")
    if average.shape not in ((config.w_dim,), (config.num_ws, config.w_dim)):
        expected = f"({config.w_dim},) or ({config.num_ws}, {config.w_dim})"
        raise CheckpointError(f"{LATENT_AVG} is {tuple(average.shape)}; expected {expected}, as the decoder's latents")
    with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten below
        net = Generator(config)
    return load_rosinality(net, {**tensors, LATENT_AVG: average.reshape(-1, config.w_dim).mean(dim=0)})


def check_complete(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor], what: str) -> None:
    """Compare the names of a network's tensors with those of a file.

    Raises:
        CheckpointError: some are missing, or are not this network's; the message counts them and names the first.
    """
    missing = sorted(name for name in own.keys() - tensors.keys() if not name.endswith(COUNTER))
    strange = sorted(tensors.keys() - own.keys())
    for names, problem in ((missing, "lacks"), (strange, "has, beside its own,")):
        if names:
            more = ", ..." if len(names) > _LISTED else ""
            listed = ", ".join(f"{name:.100}" for name in names[:_LISTED])
            raise CheckpointError(f"{what} {problem} {len(names)} tensors ({listed}{more}); {REMEDY}")


def _read_encoder_config(tensors: Mapping[str, Tensor]) -> EncoderConfig:
    widths = [len(tensors[f"body.{i}.res_layer.1.weight"]) for i in range(_count(tensors, r"body\.(\d+)\."))]
    return EncoderConfig(256, *_stages(widths))


def _read_hypernetwork_config(tensors: Mapping[str, Tensor], kernels: tuple[str, ...]) -> HypernetworkConfig:
    widths = [len(tensors[f"body.{i}.conv1.weight"]) for i in range(_count(tensors, r"body\.(\d+)\."))]
    numbers = dict(zip(layer_numbers(len(kernels)), kernels, strict=True))
    blocks = sorted({int(m[1]) for name in tensors if (m := re.match(r"refinement_blocks\.(\d+)\.", name))})
    if strange := [number for number in blocks if number not in numbers]:
        raise CheckpointError(f"hypernet.refinement_blocks.{strange[0]}: this decoder has no such convolution")
    shared = [b for b in blocks if f"refinement_blocks.{b}.linear.weight" in tensors]
    others = [b for b in blocks if b not in shared]
    plain = [b for b in others if f"refinement_blocks.{b}.output.weight" in tensors]
    default = HypernetworkConfig()
    return HypernetworkConfig(
        256,
        *_stages(widths),
        shared_width=_inner_width(tensors, shared, default.shared_width),
        other_width=_inner_width(tensors, others, default.other_width),
        other_head="plain" if plain else "separable",
        layers=tuple(numbers[b] for b in blocks),
    )


def _inner_width(tensors: Mapping[str, Tensor], blocks: Iterable[int], default: int) -> int:
    return next((len(tensors[f"refinement_blocks.{b}.convs.0.weight"]) for b in blocks), default)


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max(int(m[1]) for name in tensors if (m := re.match(pattern, name)))


def _stages(widths: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return (widths, units) of four stages from the width of every unit; each stage is wider than the last."""
    distinct = sorted(set(widths))
    return tuple(distinct), tuple(widths.count(width) for width in distinct)
