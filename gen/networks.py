"""Generator and discriminator of StyleGAN2 (Karras et al. 2020) with a split label embedding (Duong et al. 2022).

Submodules and tensors are named as in the published PyTorch checkpoints of StyleGAN2-ADA. Networks run in the dtype
given to `synthesize` and to the discriminator. It applies to the convolutions and to the operations between them;
parameters stay float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, get_args

import torch
from torch import Tensor, nn

from core.errors import ConfigError, LabelError
from faces.image_set_request import Noise
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.layers import (
    SQRT_HALF,
    Conv,
    FullyConnected,
    SplitEmbedding,
    SynthesisBlock,
    SynthesisConv,
    normalize_2nd_moment,
)

NoiseSource: TypeAlias = torch.Generator | Sequence[torch.Generator] | None
"""One CPU generator for a batch, or one for each of its images."""

NoiseImages: TypeAlias = Mapping[str, Tensor]
"""Noise (n or 1, 1, r, r) of every convolution, by the names of `Generator.noise_images`."""


def _embedding(vocabulary: Vocabulary, features: int) -> SplitEmbedding:
    return SplitEmbedding(len(vocabulary.conditions), len(vocabulary.ages), features)


def _check_labels(c: Tensor | None, vocabulary: Vocabulary | None, n: int) -> Tensor | None:
    """Check the labels for n images, and return those that a network with this vocabulary uses."""
    if vocabulary is None:
        return None
    if c is None or c.shape != (n, vocabulary.c_dim):
        got = "none" if c is None else tuple(c.shape)
        raise LabelError(f"labels are {got}; expected ({n}, {vocabulary.c_dim}), as Vocabulary.encode makes them")
    return c


def _add_layers(net: nn.Module, layers: int, in_features: int, features: int) -> list[FullyConnected]:
    """Give a mapping its layers fc0, fc1, …, and return them in order."""
    made = []
    for index in range(layers):
        layer = FullyConnected(features if index else in_features, features, activate=True, lr_multiplier=0.01)
        net.add_module(f"fc{index}", layer)
        made.append(layer)
    return made


def _label_centres(config: GeneratorConfig) -> Tensor | None:
    if config.truncation_centre == "global" or config.vocabulary is None:
        return None
    return torch.zeros(len(config.vocabulary.conditions), len(config.vocabulary.ages), config.w_dim)


class LatentMapping(nn.Module):
    """z (n, z_dim) and labels c (n, c_dim) -> style latents w (n, w_dim)."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.vocabulary = config.vocabulary
        self.embed = _embedding(config.vocabulary, config.z_dim) if config.vocabulary else None
        features = config.z_dim * (2 if self.embed else 1)
        self.layers = _add_layers(self, config.mapping_layers, features, config.w_dim)
        self.register_buffer("w_avg", torch.zeros(config.w_dim))
        self.w_avg: Tensor
        self.register_buffer("label_centres", _label_centres(config))
        self.label_centres: Tensor | None

    def forward(self, z: Tensor, c: Tensor | None) -> Tensor:
        x = normalize_2nd_moment(z)
        c = _check_labels(c, self.vocabulary, len(z))
        if self.embed is not None and c is not None:
            x = torch.cat([x, normalize_2nd_moment(self.embed(c))], dim=1)
        for layer in self.layers:
            x = layer(x)
        return x

    def centre(self, c: Tensor | None) -> Tensor:
        """Return the target of truncation, (w_dim,) or (n, w_dim): the average of all, or of each label.

        A mixed label's centre is the same mix of the centres of the pairs of condition and age in it.
        """
        if self.label_centres is None or c is None:
            return self.w_avg
        condition, age = torch.split(c, list(self.label_centres.shape[:2]), dim=1)
        return torch.einsum("nc,na,caw->nw", condition, age, self.label_centres)


_EXACT_PX: Final = 8
"""Blocks up to this side compute in float32 whatever the dtype: they cost least and their rounding is enlarged most."""


class Synthesis(nn.Module):
    """Style latents (n, num_ws, w_dim) -> images (n, 3, resolution, resolution)."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        for resolution in config.block_resolutions:
            self.add_module(f"b{resolution}", SynthesisBlock(config, resolution))
        self.blocks: list[SynthesisBlock] = [self.get_submodule(f"b{r}") for r in config.block_resolutions]  # type: ignore[misc]

    def forward(
        self,
        ws: Tensor,
        noise: Noise | NoiseImages,
        source: NoiseSource,
        dtype: torch.dtype,
        offsets: Mapping[str, Tensor],
    ) -> Tensor:
        const = self.blocks[0].const
        assert const is not None  # noqa: S101  for the type checker; every first block has it
        x = const.expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        rgb: Tensor | None = None
        styles = iter(ws.unbind(dim=1))
        w = next(styles)
        for block in self.blocks:
            if x.shape[-1] >= _EXACT_PX:
                x = x.to(dtype)
            for name, conv in block.convs.items():
                x = conv(x, w, _noise(name, conv, noise, source, len(ws)), offsets.get(name))
                w = next(styles)
            if block.upsample_rgb is not None and rgb is not None:
                rgb = block.upsample_rgb(rgb)
            # toRGB shares its latent with the first convolution of the next block.
            y = block.torgb(x, w)
            rgb = y if rgb is None else rgb + y
        assert rgb is not None  # noqa: S101
        return rgb


def _noise(name: str, conv: SynthesisConv, noise: Noise | NoiseImages, source: NoiseSource, n: int) -> Tensor | None:
    if noise == "none":
        return None
    if isinstance(noise, Mapping):
        return noise[name]
    const = conv.noise_const
    if noise == "const":
        return const[None, None]
    shape = (1, *const.shape)
    if isinstance(source, Sequence):
        drawn = torch.stack([torch.randn(shape, generator=g) for g in source])
    else:
        drawn = torch.randn((n, *shape), generator=source)
    return drawn.to(const.device)


class Generator(nn.Module):
    """Conditional StyleGAN2 generator: `map` a random vector and a label to style latents, `synthesize` an image."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = LatentMapping(config)
        self.synthesis = Synthesis(config)

    def map(self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Map random vectors and labels to style latents w (n, num_ws, w_dim), which are equal for all num_ws.

        Args:
            z: (n, z_dim) standard normal.
            c: (n, c_dim) labels; not used by an unconditional network.
            truncation: psi in [0, 1] of w_avg + psi·(w - w_avg); 1 changes nothing, 0 gives the average latent.

        Raises:
            LabelError: labels of another shape than (n, c_dim).
        """
        w = self.truncate(self.mapping(z, c), c, truncation)
        return w[:, None].repeat(1, self.config.num_ws, 1)

    def truncate(self, w: Tensor, c: Tensor | None, truncation: float) -> Tensor:
        """Move latents w (n, w_dim) towards the average latent, or towards that of each label (see
        `truncation_centre`)."""
        return w if truncation == 1 else self.mapping.centre(c).lerp(w, truncation)

    def synthesize(
        self,
        w: Tensor,
        noise: Noise | NoiseImages = "const",
        generator: NoiseSource = None,
        dtype: torch.dtype = torch.float32,
        offsets: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Synthesize images (n, 3, h, h) float32, about [-1, 1] but not clipped, of style latents (n, num_ws, w_dim).

        Args:
            noise: the stored image noise, none, fresh noise, or these noise images of every convolution by name.
            generator: draws the fresh noise, on the CPU: one generator, or one for each image.
            dtype: of the convolutions; torch.bfloat16 is several times faster on hardware with matrix units.
            offsets: of the kernels θ of some convolutions, by their names (`kernel_shapes`): (n, out, in, 3, 3), each
                image with kernels of its own, θ·(1 + offset) before modulation (Alaluf et al. 2022, HyperStyle).

        Raises:
            ConfigError: latents of another shape, an unknown kind of noise, fewer generators than images, or offsets
                of an unknown convolution or of another shape.
        """
        self.check_latents(w, offsets or {})
        if not isinstance(noise, Mapping) and noise not in get_args(Noise):
            raise ConfigError(f"noise is {noise!r}; expected one of {', '.join(get_args(Noise))}, or noise images")
        if isinstance(generator, Sequence) and len(generator) != len(w):
            raise ConfigError(f"{len(generator)} generators for {len(w)} images; expected one for each")
        images: Tensor = self.synthesis(w, noise, generator, dtype, offsets or {})
        return images

    def check_latents(self, w: Tensor, offsets: Mapping[str, Tensor]) -> None:
        """Check latents and offsets for `synthesize`.

        Raises:
            ConfigError: latents of another shape, or offsets of an unknown convolution or of another shape.
        """
        expected = (self.config.num_ws, self.config.w_dim)
        if w.ndim != 3 or w.shape[1:] != expected:
            raise ConfigError(f"latents are {tuple(w.shape)}; expected (n, {expected[0]}, {expected[1]})")
        shapes = self.kernel_shapes if offsets else {}
        for name, offset in offsets.items():
            if name not in shapes:
                raise ConfigError(f"offsets for {name!r}; expected {', '.join(shapes)}")
            if offset.shape != (len(w), *shapes[name]):
                raise ConfigError(f"offsets for {name} are {tuple(offset.shape)}; expected {(len(w), *shapes[name])}")

    @property
    def noise_images(self) -> dict[str, Tensor]:
        """The stored noise (r, r) of every convolution, by name."""
        return {name: conv.noise_const for name, conv in self._convs().items()}

    @property
    def kernel_shapes(self) -> dict[str, tuple[int, int, int, int]]:
        """Shape (out, in, 3, 3) of each modulated 3x3 kernel, by the names that offsets go by: b4.conv1, b8.conv0, …"""
        return {name: tuple(conv.weight.shape) for name, conv in self._convs().items()}  # type: ignore[misc]

    def _convs(self) -> dict[str, SynthesisConv]:
        return {name: conv for block in self.synthesis.blocks for name, conv in block.convs.items()}

    def forward(self, z: Tensor, c: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Compute `synthesize(map(z, c, truncation))` with the stored image noise."""
        return self.synthesize(self.map(z, c, truncation))

    @torch.no_grad()
    def update_w_avg(self, w: Tensor, beta: float = 0.995) -> None:
        """Move the running average of w towards the mean of w (n, w_dim)."""
        self.mapping.w_avg.copy_(w.detach().mean(dim=0).lerp(self.mapping.w_avg, beta))

    @torch.no_grad()
    def update_label_centres(self, samples: int = 1_000, seed: int = 0) -> None:
        """Measure the average latent of every pair of condition and age. Does nothing if all labels share one centre.

        Args:
            samples: number of random vectors, which are the same for every pair.
            seed: seed of these vectors.
        """
        centres = self.mapping.label_centres
        if centres is None:
            return
        z = torch.randn(samples, self.config.z_dim, generator=torch.Generator().manual_seed(seed)).to(centres.device)
        conditions, ages = (torch.eye(n, device=centres.device) for n in centres.shape[:2])
        for i, condition in enumerate(conditions):
            for j, age in enumerate(ages):
                c = torch.cat([condition, age]).expand(samples, -1)
                centres[i, j] = self.mapping(z, c).mean(dim=0)


class DiscriminatorBlock(nn.Module):
    """Residual block that halves the resolution: (n, in, r, r) -> (n, out, r/2, r/2)."""

    def __init__(self, in_channels: int, out_channels: int, clamp: float | None, from_rgb: bool) -> None:
        super().__init__()
        self.fromrgb = Conv(3, in_channels, 1, clamp=clamp) if from_rgb else None
        self.conv0 = Conv(in_channels, in_channels, 3, clamp=clamp)
        self.conv1 = Conv(in_channels, out_channels, 3, down=True, gain=SQRT_HALF, clamp=clamp)
        self.skip = Conv(
            in_channels, out_channels, 1, down=True, bias=False, activate=False, gain=SQRT_HALF, clamp=clamp
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.fromrgb is not None:
            x = self.fromrgb(x)
        y: Tensor = self.conv1(self.conv0(x)) + self.skip(x)
        return y


def minibatch_std(x: Tensor, group_size: int) -> Tensor:
    """Append one map to x (n, c, h, w): the standard deviation within a group of images, averaged over c, h, w.

    Images i, i + n/g, i + 2n/g, … form a group of g; g is group_size, or the largest divisor of n below it.
    """
    n, _, h, w = x.shape
    group = next(g for g in range(min(group_size, n), 0, -1) if n % g == 0)
    y = x.reshape(group, n // group, -1)
    std = (y.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=1)
    maps = std.repeat(group).reshape(n, 1, 1, 1).expand(n, 1, h, w)
    return torch.cat([x, maps], dim=1)


class LabelMapping(nn.Module):
    """Labels (n, c_dim) -> (n, features), the direction on which the discriminator projects its features."""

    def __init__(self, vocabulary: Vocabulary, features: int, layers: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embed = _embedding(vocabulary, features)
        self.layers = _add_layers(self, layers, features, features)

    def forward(self, c: Tensor) -> Tensor:
        x: Tensor = self.embed(c)
        if self.layers:  # the release without label layers (TensorFlow, as Duong used it) uses the embedding itself
            x = normalize_2nd_moment(x)
        for layer in self.layers:
            x = layer(x)
        return x


class DiscriminatorEpilogue(nn.Module):
    """Features at 4x4 (n, features, 4, 4) -> logits, or features to compare with the label, (n, out)."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        features = config.channels(4)
        self.group_size = config.mbstd_group_size
        self.conv = Conv(features + 1, features, 3, clamp=config.conv_clamp)
        self.fc = FullyConnected(features * 16, features, activate=True)
        self.out = FullyConnected(features, features if config.vocabulary else 1)
        self.classify = FullyConnected(features, config.c_dim) if config.classifier else None
        self.identify = FullyConnected(features, config.identity) if config.identity else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        x = self.fc(self.conv(minibatch_std(x, self.group_size)).flatten(start_dim=1))
        label_logits, identity = (None if head is None else head(x) for head in (self.classify, self.identify))
        return self.out(x), label_logits, identity


@dataclass(frozen=True)
class Judgement:
    """Outputs of the discriminator for n images.

    Args:
        logits: (n, 1), large for images that look real and agree with their label.
        label_logits: (n, c_dim), logits of the conditions and then of the ages, read from the image; None without a
            classifier.
        identity: (n, k) identity read from the image; None if the discriminator does not read it.
    """

    logits: Tensor
    label_logits: Tensor | None
    identity: Tensor | None


class Discriminator(nn.Module):
    """Conditional StyleGAN2 discriminator: images (n, 3, h, h) in [-1, 1] and labels (n, c_dim) -> logits (n, 1)."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        for resolution in config.block_resolutions[:0:-1]:
            channels = config.channels(resolution), config.channels(resolution // 2)
            block = DiscriminatorBlock(*channels, config.conv_clamp, from_rgb=resolution == config.resolution)
            self.add_module(f"b{resolution}", block)
        features = config.channels(4)
        self.mapping = LabelMapping(config.vocabulary, features, config.mapping_layers) if config.vocabulary else None
        self.b4 = DiscriminatorEpilogue(config)

    def forward(self, images: Tensor, c: Tensor | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
        """Compute the logits of `judge`."""
        return self.judge(images, c, dtype).logits

    def judge(self, images: Tensor, c: Tensor | None = None, dtype: torch.dtype = torch.float32) -> Judgement:
        """Compute the logits (n, 1) and the readings of images.

        Raises:
            LabelError: labels of another shape than (n, c_dim).
            ConfigError: images of another shape.
        """
        c = _check_labels(c, self.config.vocabulary, len(images))
        *_, x = self.features(images, dtype)
        out, label_logits, identity = self.b4(x.float())
        if self.mapping is None or c is None:
            return Judgement(out, label_logits, identity)
        label: Tensor = self.mapping(c)
        logits = (out * label).sum(dim=1, keepdim=True) / math.sqrt(label.shape[1])
        return Judgement(logits, label_logits, identity)

    def features(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Iterator[Tensor]:
        """Compute feature maps (n, channels, r, r) in dtype after every residual block, from r = resolution / 2 down to
        4.

        Raises:
            ConfigError: images of another shape.
        """
        side = self.config.resolution
        if images.shape[1:] != (3, side, side):
            raise ConfigError(f"images are {tuple(images.shape)}; expected (n, 3, {side}, {side})")
        x = images.to(dtype, memory_format=torch.channels_last)
        for resolution in self.config.block_resolutions[:0:-1]:
            x = self.get_submodule(f"b{resolution}")(x)
            yield x
