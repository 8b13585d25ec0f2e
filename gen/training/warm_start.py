"""Function-preserving warm start: a new network that starts with the function of an old one.

At step 0 the target's images equal the source's, also if labels, other conditions and ages, or resolution were added.
A smaller target starts as the lower part of the source. Configurations that do not fit are refused before anything is
changed, and a report lists every tensor.

- *Labels on an unconditional generator.* The first mapping layer sees z and the label embedding side by side: its z
  half is the source's times √2, for the gain 1/√fan_in, and its label half is zero.
- *Another vocabulary.* Every condition and age of the target is a mix of the source's: the one of the same name, for
  an age otherwise the group that holds its middle in years, otherwise all equally (an unknown label of the source).
- *More resolution.* The new blocks' toRGB layers are zero, so that the image is the source's, upsampled by the RGB skip
  connection.
- *More feature maps.* The old maps keep their kernels, with zero weights on the new maps; these start with drawn
  kernels and come into use as the zeros change. A discriminator keeps the number of its maps at 4 px, and does not grow
  in resolution at the same time.
- *Less resolution.* The image is what the source's RGB skip connection holds at that size; the blocks above it are not
  used. The discriminator's first layer, which has never seen an image of that size, is fresh.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from core.errors import CheckpointError, ConfigError, LabelError
from faces.labels import AgeGroup, find_age_group
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.layers import SQRT2
from gen.networks import Discriminator, Generator

Tensors: TypeAlias = Mapping[str, Tensor]
Config: TypeAlias = GeneratorConfig | DiscriminatorConfig

RGB_PAIR = 6
"""Number of channels that carry an RGB image through leaky ReLUs without loss: the image and its negative."""


@dataclass(frozen=True)
class WarmStartReport:
    """The origin of every tensor of a warm-started network, by name.

    Args:
        copied: tensors taken from the source unchanged.
        adapted: tensors computed from the source's so that the function is kept, zeros included.
        fresh: tensors drawn from the seed.
        unused: tensors of the source that the target does not have.
    """

    copied: tuple[str, ...]
    adapted: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]


def warm_start(generator: Generator, source: Generator, *, seed: int) -> WarmStartReport:
    """Make `generator` start from `source`, in place; this includes the average latent, noise images and noise
    strengths.

    At step 0 its image of z and any label c is the source's: of z alone if the source knows no labels, of z and
    `translation(…)` of c if it knows others, upsampled if the target is larger.

    Args:
        seed: seed of the tensors that the source does not have: the label embedding, the convolutions of new blocks.

    Raises:
        ConfigError: the configurations cannot be bridged (sizes of z and w, mapping layers, clamp, fewer feature
            maps, labels given up); both values are named.
        CheckpointError: a tensor has another shape than the source's; both are named. Nothing is changed then.
    """
    config, old = generator.config, source.config
    _check(config, old, ("z_dim", "w_dim", "mapping_layers", "conv_clamp"))
    theirs, drawn = dict(source.state_dict()), _draw_tensors(generator, seed)
    new_blocks = tuple(f"synthesis.b{r}." for r in config.block_resolutions if r > old.resolution)
    silent = tuple(f"{block}torgb.{name}" for block in new_blocks for name in ("weight", "bias"))
    adapted = {name: torch.zeros_like(drawn[name]) for name in silent}
    fresh = list(new_blocks)
    if config.vocabulary is not None and old.vocabulary is None:
        weight = theirs["mapping.fc0.weight"]
        adapted["mapping.fc0.weight"] = torch.cat([weight * SQRT2, torch.zeros_like(weight)], dim=1)
        fresh.append("mapping.embed.")
    elif config.vocabulary is not None and old.vocabulary is not None and config.vocabulary != old.vocabulary:
        adapted |= _embedding(theirs, config.vocabulary, old.vocabulary)
    centres = "mapping.label_centres"
    remeasure = centres in drawn and (config.vocabulary != old.vocabulary or centres not in theirs)
    if remeasure:
        adapted[centres] = drawn[centres]
    adapted |= _widen(theirs, drawn, adapted, ["synthesis."])
    report = _fill(generator, drawn, theirs, adapted, fresh)
    if remeasure:
        generator.update_label_centres()
    return report


def warm_start_discriminator(discriminator: Discriminator, source: Discriminator, *, seed: int) -> WarmStartReport:
    """Make `discriminator` start from `source`, in place.

    With the source's labels, or others, its logits are kept as a generator's images are. Where the source knows no
    labels, all but the label mapping and `b4.out`, which has another meaning, is carried over. A larger one begins by
    looking at its images as the source did, halved by the low-pass filter: the image goes through the new blocks as a
    pair, itself and its negative (leaky(x) - leaky(-x) = 1.2·x), and enters the source's first block through the
    source's fromRGB layer, folded into the last new convolution; the other channels of the new blocks are fresh, with
    zero weight on what leaves them. The source's `fromrgb` itself has no place then. New blocks of fewer than six
    channels cannot carry the pair and start fresh. Where a clamp is set, all this holds for features below
    clamp·√½.

    Args:
        seed: seed of the tensors that the source does not have.

    Raises:
        ConfigError, CheckpointError: as `warm_start`. The group of the minibatch standard deviation may differ.
    """
    config, old = discriminator.config, source.config
    both_know_labels = config.vocabulary is not None and old.vocabulary is not None
    _check(config, old, ("conv_clamp", "mapping_layers") if both_know_labels else ("conv_clamp",))
    theirs, drawn = dict(source.state_dict()), _draw_tensors(discriminator, seed)
    adapted: dict[str, Tensor] = {}
    fresh = [f"b{r}." for r in config.block_resolutions if r > old.resolution]
    if config.resolution > old.resolution:
        adapted |= _halving_blocks(config, old, theirs, drawn)
    elif config.resolution < old.resolution:
        fresh.append(f"b{config.resolution}.fromrgb.")
    if config.vocabulary is not None and old.vocabulary is None:
        fresh += ["mapping.", "b4.out."]
    elif config.vocabulary is not None and old.vocabulary is not None and config.vocabulary != old.vocabulary:
        adapted |= _embedding(theirs, config.vocabulary, old.vocabulary)
        if config.classifier and old.classifier:
            adapted |= _classifier(theirs, config.vocabulary, old.vocabulary)
    if not old.classifier:
        fresh.append("b4.classify.")
    if config.identity != old.identity:
        fresh.append("b4.identify.")
    adapted |= _widen(theirs, drawn, adapted, [f"b{r}." for r in config.block_resolutions if 4 < r <= old.resolution])
    return _fill(discriminator, drawn, theirs, adapted, fresh)


def with_label_centres(source: Generator) -> Generator:
    """Copy a generator so that it truncates towards the centre of each image's own label instead of one for all.

    Raises:
        ConfigError: the generator has no labels.
    """
    if source.config.vocabulary is None:
        raise ConfigError("the generator has no labels; expected a conditional one, whose labels have centres")
    centred = Generator(replace(source.config, truncation_centre="label"))
    warm_start(centred, source, seed=0)
    return centred.eval().requires_grad_(False)


def translation(new: Vocabulary, old: Vocabulary) -> tuple[Tensor, Tensor]:
    """Express conditions (new, old) and ages (new, old) of one vocabulary as mixes of another's; rows sum to 1.

    With c = [condition, age] in the new vocabulary, [condition @ conditions, age @ ages] is it in the old one.
    """
    conditions = [_one_or_all(old.conditions, name if name in old.conditions else None) for name in new.conditions]
    ages = [_one_or_all(old.age_names, _counterpart(age, old)) for age in new.ages]
    return torch.stack(conditions), torch.stack(ages)


def _counterpart(age: AgeGroup, old: Vocabulary) -> str | None:
    if age.name in old.age_names:
        return age.name
    middle = age.from_years if math.isinf(age.to_years) else (age.from_years + age.to_years) / 2
    try:
        return find_age_group(middle, old.ages).name
    except LabelError:
        return None


def _one_or_all(names: Sequence[str], name: str | None) -> Tensor:
    if name is None:
        return torch.full((len(names),), 1 / len(names))
    return torch.tensor([float(other == name) for other in names])


def _embedding(theirs: Tensors, new: Vocabulary, old: Vocabulary) -> dict[str, Tensor]:
    """Convert a label embedding to another vocabulary. Its gain is 1/√columns, for which the weights compensate."""
    gain = math.sqrt(new.c_dim / old.c_dim)
    names = ("mapping.embed.condition_weight", "mapping.embed.age_weight")
    mixes = zip(names, translation(new, old), strict=True)
    return {name: theirs[name] @ mix.T.to(theirs[name]) * gain for name, mix in mixes}


def _classifier(theirs: Tensors, new: Vocabulary, old: Vocabulary) -> dict[str, Tensor]:
    """Convert a label classifier to another vocabulary: a row and a bias for each of its conditions and then its
    ages."""
    conditions, ages = translation(new, old)
    adapted = {}
    for name in ("b4.classify.weight", "b4.classify.bias"):
        value = theirs[name].cpu()
        halves = value[: len(old.conditions)], value[len(old.conditions) :]
        adapted[name] = torch.cat([conditions @ halves[0], ages @ halves[1]])
    return adapted


def _halving_blocks(
    config: DiscriminatorConfig, old: DiscriminatorConfig, theirs: Tensors, drawn: Tensors
) -> dict[str, Tensor]:
    """Return the residual blocks that pass a halved image to the source's first block; see
    `warm_start_discriminator`."""
    new = [r for r in config.block_resolutions if r > old.resolution]
    if any(config.channels(r) < RGB_PAIR for r in new):
        return {}
    to_pair = torch.cat([torch.eye(3), -torch.eye(3)])  # (6, 3)
    from_pair = to_pair.T / 1.2  # (3, 6): leaky(x) - leaky(-x) = 1.2·x
    blocks: dict[str, Tensor] = {}
    for r in new:
        channels, out = config.channels(r), config.channels(r // 2)
        weights = {
            name: drawn[f"b{r}.{name}"].clone()
            for name in ("conv0.weight", "conv0.bias", "conv1.weight", "conv1.bias", "skip.weight")
        }
        # Stored weights are the wanted ones without the layer's gain: √2/√fan_in, in conv1 (√2·√½)/√fan_in.
        scale = math.sqrt(9 * channels)
        weights["conv0.weight"][:RGB_PAIR] = 0
        weights["conv0.weight"][:RGB_PAIR, :RGB_PAIR, 1, 1] = to_pair @ from_pair * (scale / SQRT2)
        last = r // 2 == old.resolution
        rows = out if last else RGB_PAIR
        if last:
            first = f"b{old.resolution}.fromrgb."
            kernel = theirs[first + "weight"][:, :, 0, 0].cpu() * (SQRT2 / math.sqrt(3))
            bias = theirs[first + "bias"].cpu() * SQRT2
        else:
            kernel, bias = to_pair, torch.zeros(RGB_PAIR)
        weights["conv1.weight"][:rows] = 0
        weights["conv1.weight"][:rows, :RGB_PAIR, 1, 1] = kernel @ from_pair * scale
        weights["conv1.bias"][:rows] = bias
        weights["skip.weight"][:rows] = 0
        if r == config.resolution:
            weights["fromrgb.weight"] = drawn[f"b{r}.fromrgb.weight"].clone()
            weights["fromrgb.weight"][:RGB_PAIR, :, 0, 0] = to_pair * (math.sqrt(3) / SQRT2)
        blocks |= {f"b{r}.{name}": value for name, value in weights.items()}
    return blocks


def _widen(theirs: Tensors, drawn: Tensors, adapted: Tensors, blocks: Sequence[str]) -> dict[str, Tensor]:
    """Return the tensors of these blocks that have more feature maps than the source's, and were not adapted."""
    wider: dict[str, Tensor] = {}
    for name, value in drawn.items():
        source = theirs.get(name)
        if source is None or name in adapted or not name.startswith(tuple(blocks)) or source.shape == value.shape:
            continue
        demodulated = name.startswith("synthesis.") and ".conv" in name
        gains = name.endswith(".weight") and not demodulated  # 1/√(maps that the kernel sees)
        wide = value.clone()
        wide[: len(source)] = 0
        wide[tuple(map(slice, source.shape))] = source * math.sqrt(value.shape[1] / source.shape[1] if gains else 1)
        wider[name] = wide
    return wider


def _draw_tensors(net: Generator | Discriminator, seed: int) -> dict[str, Tensor]:
    """Draw the tensors of a new network of this configuration on the CPU from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new = Generator(net.config) if isinstance(net, Generator) else Discriminator(net.config)
    return dict(new.state_dict())


def _fill(
    net: Generator | Discriminator, drawn: Tensors, theirs: Tensors, adapted: Tensors, fresh: Sequence[str]
) -> WarmStartReport:
    """Fill a network. Tensors under the prefixes `fresh` are drawn unless adapted; all others are the source's."""
    rest = [name for name in drawn if name not in adapted]
    report = WarmStartReport(
        copied=tuple(name for name in rest if not name.startswith(tuple(fresh))),
        adapted=tuple(name for name in drawn if name in adapted),
        fresh=tuple(name for name in rest if name.startswith(tuple(fresh))),
        unused=tuple(n for n in theirs if n not in drawn or (n not in adapted and n.startswith(tuple(fresh)))),
    )
    problems = [f"{name} is missing in the source" for name in report.copied if name not in theirs]
    taken = dict(adapted) | {name: theirs[name] for name in report.copied if name in theirs}
    problems += [
        f"{name} is {tuple(value.shape)} in the source, {tuple(drawn[name].shape)} in the target"
        for name, value in taken.items()
        if value.shape != drawn[name].shape
    ]
    if problems:
        raise CheckpointError("the source does not fit the target: " + "; ".join(problems))
    net.load_state_dict(dict(drawn) | taken)
    return report


def _can_widen(config: Config, old: Config, resolution: int) -> bool:
    """Tell whether feature maps can be added at this resolution without changing what the network computes."""
    if isinstance(config, DiscriminatorConfig) and (resolution == 4 or config.resolution > old.resolution):
        return False
    return config.channels(resolution) > old.channels(resolution)


def _check(config: Config, old: Config, fields: Sequence[str]) -> None:
    problems = [
        f"{field} is {getattr(old, field)} in the source, {getattr(config, field)} in the target"
        for field in fields
        if getattr(old, field) != getattr(config, field)
    ]
    shared = [r for r in old.block_resolutions if r <= config.resolution]
    different = [r for r in shared if old.channels(r) != config.channels(r) and not _can_widen(config, old, r)]
    if different:
        r = different[-1]
        problems.append(
            f"feature maps at {r} px are {old.channels(r)} in the source (channel_base {old.channel_base}, channel_max "
            f"{old.channel_max}), {config.channels(r)} in the target ({config.channel_base}, {config.channel_max})"
        )
    if config.vocabulary is not None and config.mapping_layers == 0 and isinstance(config, GeneratorConfig):
        problems.append("mapping_layers is 0 in the target: labels need one or more")
    if old.vocabulary is not None and config.vocabulary is None:
        problems.append(f"the source knows the labels {', '.join(old.vocabulary.conditions)}, the target none")
    if problems:
        raise ConfigError("the target cannot start from the source: " + "; ".join(problems))
