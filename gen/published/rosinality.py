"""Loader of checkpoints in the layout of rosinality's `stylegan2-pytorch`, as HyperStyle, e4e and pSp use it.

The networks compute the same as ours under other names. Two differences have no effect. Their convolutions scale the
weights by 1/√fan_in before the demodulation, which cancels any such factor except for its epsilon (below 1e-7 of the
result). Their filters are tensors in the file, which must equal our constants.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

from core.errors import CheckpointError, ConfigError
from gen.networks import Discriminator, Generator
from gen.strict_loading import Translation, load_strict

LATENT_AVG: Final = "latent_avg"

_LAYER: Final = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}
_RESIDUAL: Final = {
    "conv1.0.weight": "conv0.weight",
    "conv1.1.bias": "conv0.bias",
    "conv2.1.weight": "conv1.weight",
    "conv2.2.bias": "conv1.bias",
    "skip.1.weight": "skip.weight",
}
_EPILOGUE: Final = {
    "final_conv.0.weight": "b4.conv.weight",
    "final_conv.1.bias": "b4.conv.bias",
    "final_linear.0.weight": "b4.fc.weight",
    "final_linear.0.bias": "b4.fc.bias",
    "final_linear.1.weight": "b4.out.weight",
    "final_linear.1.bias": "b4.out.bias",
}


def load_rosinality(generator: Generator, tensors: Mapping[str, Tensor]) -> Generator:
    """Fill an unconditional generator with tensors of this layout, and return it.

    The tensors may include `latent_avg`, (w_dim,) or (num_ws, w_dim) with equal rows. Without it the average latent is
    measured over 10,000 random vectors of seed 0.

    Raises:
        CheckpointError: a tensor is unknown, missing or of another shape, or a filter differs from ours; the message
            names all.
        ConfigError: the generator is conditional; this layout has no labels.
    """
    if generator.config.vocabulary is not None:
        raise ConfigError(
            "the generator has labels, and the rosinality layout has none; expected an unconditional generator"
        )
    state = translate_generator(tensors).state
    measured = "mapping.w_avg" in state
    load_strict(generator, {"mapping.w_avg": generator.mapping.w_avg} | state)
    if not measured:
        measure_w_avg(generator)
    return generator


def load_rosinality_discriminator(discriminator: Discriminator, tensors: Mapping[str, Tensor]) -> Discriminator:
    """Fill an unconditional discriminator. It raises the errors of `load_rosinality`."""
    if discriminator.config.vocabulary is not None:
        raise ConfigError(
            "the discriminator has labels, and the rosinality layout has none; expected an unconditional discriminator"
        )
    load_strict(discriminator, translate_discriminator(tensors).state)
    return discriminator


def translate_generator(tensors: Mapping[str, Tensor]) -> Translation:
    """Rename a generator's tensors to our names.

    Raises:
        CheckpointError: an unknown name, another filter, or rows of `latent_avg` that differ.
    """
    return _translate(tensors, _place_generating)


def translate_discriminator(tensors: Mapping[str, Tensor]) -> Translation:
    """Rename a discriminator's tensors to our names. It raises the errors of `translate_generator`."""
    blocks = max((int(m[1]) for name in tensors if (m := re.match(r"convs\.(\d{1,2})\.", name))), default=0)
    return _translate(tensors, lambda translation, name, value: _place_judging(translation, name, value, blocks))


def _translate(tensors: Mapping[str, Tensor], place: Callable[[Translation, str, Tensor], bool]) -> Translation:
    translation = Translation()
    for name, value in tensors.items():
        if not place(translation, name, torch.as_tensor(value)):
            raise CheckpointError(
                f"{name!r:.200} {tuple(value.shape)} is not a tensor of this network in rosinality's layout"
            )
    return translation


def _place_generating(to: Translation, name: str, value: Tensor) -> bool:
    """Place one tensor of a generator; return False for an unknown one."""
    if name == LATENT_AVG:
        rows = value.reshape(-1, value.shape[-1])
        if not torch.equal(rows, rows[:1].expand_as(rows)):
            raise CheckpointError(
                f"{LATENT_AVG} has {len(rows)} different rows; expected equal rows, one average latent"
            )
        to.place(name, value, {"mapping.w_avg": rows[0]})
    elif name == "input.input":
        to.place(name, value, {"synthesis.b4.const": _drop_first_axis(value)})
    elif match := re.fullmatch(r"style\.(\d{1,2})\.(weight|bias)", name):
        to.place(name, value, {f"mapping.fc{int(match[1]) - 1}.{match[2]}": value})
    elif match := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
        noise = _drop_first_axis(_drop_first_axis(value))
        to.place(name, value, {f"{_layer(int(match[1]))}.noise_const": noise})
    elif match := re.fullmatch(r"(?:(conv1|to_rgb1)|(convs|to_rgbs)\.(\d{1,2}))\.(.+)", name):
        if match[4] in ("conv.blur.kernel", "upsample.kernel"):
            to.constant(name, value, gain=4)
        elif match[4] in _LAYER:
            index = int(match[3]) + 1 if match[3] else 0
            layer = _layer(index) if "conv" in (match[1] or match[2]) else f"synthesis.b{2 ** (index + 2)}.torgb"
            to.place(name, value, {f"{layer}.{_LAYER[match[4]]}": _reshape(match[4], value)})
        else:
            return False
    else:
        return False
    return True


def _layer(index: int) -> str:
    """Return our name of their convolution 0, 1, …: one at 4x4, then two for each resolution."""
    return f"synthesis.b{2 ** ((index + 5) // 2)}.conv{(index - 1) % 2}" if index else "synthesis.b4.conv1"


def _reshape(name: str, value: Tensor) -> Tensor:
    """Drop the axes of length 1 that their tensor has and ours does not."""
    if name == "conv.weight":
        return _drop_first_axis(value)
    if name == "noise.weight":
        return value.reshape(()) if value.numel() == 1 else value
    return value.flatten() if name == "bias" else value


def _drop_first_axis(value: Tensor) -> Tensor:
    return value[0] if value.shape[:1] == (1,) else value


def _place_judging(to: Translation, name: str, value: Tensor, blocks: int) -> bool:
    """Place one tensor of a discriminator with this number of residual blocks; return False for an unknown one."""
    if name in _EPILOGUE:
        to.place(name, value, {_EPILOGUE[name]: value})
    elif match := re.fullmatch(r"convs\.0\.(?:0\.(weight)|1\.(bias))", name):
        to.place(name, value, {f"b{2 ** (blocks + 2)}.fromrgb.{match[1] or match[2]}": value})
    elif match := re.fullmatch(r"convs\.(\d{1,2})\.(.+)", name):
        if match[2] in ("conv2.0.kernel", "skip.0.kernel"):
            to.constant(name, value)
        elif match[2] in _RESIDUAL and int(match[1]) > 0:
            to.place(name, value, {f"b{2 ** (blocks + 3 - int(match[1]))}.{_RESIDUAL[match[2]]}": value})
        else:
            return False
    else:
        return False
    return True


@torch.no_grad()
def measure_w_avg(generator: Generator, samples: int = 10_000, seed: int = 0) -> None:
    """Set the average latent where a checkpoint does not hold it: the mean of w over random vectors."""
    z = torch.randn(samples, generator.config.z_dim, generator=torch.Generator().manual_seed(seed))
    w_avg = generator.mapping.w_avg
    w_avg.copy_(generator.mapping(z.to(w_avg.device), None).mean(dim=0))
