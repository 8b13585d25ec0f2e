"""Training a conditional StyleGAN2: one trainer whose state depends on its configuration and images seen alone.

Every random draw comes from a generator seeded by (seed, iteration), so that a run needs no random state to resume.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from faces.errors import ConfigError
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.losses import discriminator_loss, generator_loss, r1_penalty
from gen.networks import Discriminator, Generator
from gen.precision import DTYPES, Precision


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Args:
        batch: images a step.
        learning_rate: of Adam, for both networks; betas are (0, 0.99).
        r1_gamma: weight of the R1 penalty; higher for few or large images.
        r1_interval: steps between two penalties (lazy regularisation, Karras et al. 2020).
        style_mixing: probability that an image takes a second random vector from a random layer on.
        ema_halflife_images: half-life of the generator's running average.
        ema_rampup: the half-life is at most this share of the images seen.
        mirror: show every image also flipped.
        precision: of the convolutions.
        seed: of everything that is drawn.
    """

    batch: int = 16
    learning_rate: float = 0.0025
    r1_gamma: float = 0.05
    r1_interval: int = 16
    style_mixing: float = 0.9
    ema_halflife_images: float = 10_000
    ema_rampup: float = 0.05
    mirror: bool = True
    precision: Precision = "bfloat16"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ConfigError(f"batch is {self.batch}; expected 2 or more (images are compared within it)")
        if self.r1_interval < 1:
            raise ConfigError(f"r1_interval is {self.r1_interval}; expected 1 or more")
        if self.precision not in DTYPES:
            raise ConfigError(f"precision is {self.precision!r}; expected one of {', '.join(DTYPES)}")


@dataclass(frozen=True)
class TrainingImages:
    """What is learnt from: images (n, 3, h, h) uint8 and labels (n, c_dim) float32."""

    images: Tensor
    labels: Tensor

    def batch(self, indices: Tensor, flips: Tensor) -> tuple[Tensor, Tensor]:
        """Images (b, 3, h, h) float32 in [-1, 1], mirrored where `flips`, and their labels."""
        images = self.images[indices].float() / 127.5 - 1
        return torch.where(flips[:, None, None, None], images.flip(3), images), self.labels[indices]


@dataclass(frozen=True)
class StepReport:
    """One step, measured. Penalty and gradient norm stand for the last step that had one.

    real_sign is r_t of adaptive augmentation, the mean sign of D(real): near 1, the discriminator overfits.
    """

    images_seen: int
    generator_loss: float
    discriminator_loss: float
    r1: float
    real_sign: float


def presets() -> Mapping[str, tuple[GeneratorConfig, DiscriminatorConfig, TrainingConfig]]:
    """Networks and training by name; vary one with dataclasses.replace."""
    return {"phantom64": _small(resolution=64), "phantom128": _small(resolution=128)}


def _small(resolution: int) -> tuple[GeneratorConfig, DiscriminatorConfig, TrainingConfig]:
    return (
        GeneratorConfig(resolution, 128, 128, 2, channel_base=2048, channel_max=64),
        DiscriminatorConfig(resolution, channel_base=2048, channel_max=64, mapping_layers=2),
        TrainingConfig(r1_gamma=0.5 * (resolution / 64) ** 2),
    )


class Trainer:
    """Networks, their running average and optimisers, and the step that moves them.

    `state_dict()` and `load_state_dict()` carry all of it as tensors by name.
    """

    def __init__(
        self,
        generator_config: GeneratorConfig,
        discriminator_config: DiscriminatorConfig,
        config: TrainingConfig,
        data: TrainingImages,
    ) -> None:
        side = generator_config.resolution
        if data.images.shape[1:] != (3, side, side):
            got = tuple(data.images.shape[1:])
            raise ConfigError(
                f"training images are {got}; expected (3, {side}, {side}), the network's size: "
                f"make the data set with --size {side}, or take another preset"
            )
        if len(data.images) < config.batch:
            raise ConfigError(f"{len(data.images)} training images; expected at least one batch, {config.batch}")
        self.config = config
        self.data = data
        self.iteration = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.generator = Generator(generator_config)
            self.discriminator = Discriminator(discriminator_config)
        self.average = deepcopy(self.generator).eval().requires_grad_(False)
        self._dtype = DTYPES[config.precision]
        self._generator_optimizer = _adam(self.generator, config.learning_rate)
        # Lazy regularisation: fewer, stronger penalties, with the optimiser's pace corrected (Karras et al. 2020).
        self._discriminator_optimizer = _adam(
            self.discriminator, config.learning_rate, config.r1_interval / (config.r1_interval + 1)
        )
        self._last_r1 = 0.0

    @property
    def images_seen(self) -> int:
        return self.iteration * self.config.batch

    def step(self) -> StepReport:
        """One step of the generator, one of the discriminator, one of the running average."""
        draw = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.iteration)
        generator_loss_value = self._generator_step(draw)
        discriminator_loss_value, real_sign = self._discriminator_step(draw)
        self._average_step()
        self.iteration += 1
        return StepReport(self.images_seen, generator_loss_value, discriminator_loss_value, self._last_r1, real_sign)

    def _generator_step(self, draw: torch.Generator) -> float:
        labels = self.data.labels[self._random_indices(draw)]
        with _frozen(self.discriminator):
            w = self._map(labels, draw)
            self.generator.update_w_avg(w[:, 0])
            loss = generator_loss(self._judge(self._synthesize(w, draw), labels))
            _update(self._generator_optimizer, loss)
        return loss.item()

    def _discriminator_step(self, draw: torch.Generator) -> tuple[float, float]:
        labels = self.data.labels[self._random_indices(draw)]
        with torch.no_grad():
            fakes = self._synthesize(self._map(labels, draw), draw)
        flips = torch.rand(self.config.batch, generator=draw) < (0.5 if self.config.mirror else 0)
        reals, real_labels = self.data.batch(self._epoch_indices(), flips)
        penalise = self.iteration % self.config.r1_interval == 0
        real_logits = self._judge(reals.requires_grad_(penalise), real_labels)
        loss = discriminator_loss(real_logits, self._judge(fakes, labels))
        objective = loss
        if penalise:
            r1 = r1_penalty(reals, real_logits).mean()
            objective = loss + r1 * (self.config.r1_gamma / 2 * self.config.r1_interval)
            self._last_r1 = r1.item()
        _update(self._discriminator_optimizer, objective)
        return loss.item(), real_logits.detach().sign().mean().item()

    @torch.no_grad()
    def _average_step(self) -> None:
        halflife = min(self.config.ema_halflife_images, self.config.ema_rampup * (self.images_seen + self.config.batch))
        beta = 0.5 ** (self.config.batch / halflife)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1 - beta)
        for ours, theirs in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            ours.copy_(theirs)

    def _map(self, labels: Tensor, draw: torch.Generator) -> Tensor:
        """Latents (n, num_ws, w_dim) of random vectors, with style mixing."""
        config = self.generator.config
        z = torch.randn(2, len(labels), config.z_dim, generator=draw)
        first, second = self.generator.map(z.flatten(0, 1), labels.repeat(2, 1)).chunk(2)
        cut = torch.randint(1, config.num_ws, (len(labels), 1), generator=draw)
        mix = torch.rand(len(labels), 1, generator=draw) < self.config.style_mixing
        return torch.where((mix & (torch.arange(config.num_ws) >= cut))[:, :, None], second, first)

    def _synthesize(self, w: Tensor, draw: torch.Generator) -> Tensor:
        return self.generator.synthesize(w, "random", draw, self._dtype)

    def _judge(self, images: Tensor, labels: Tensor) -> Tensor:
        logits: Tensor = self.discriminator(images, labels, self._dtype)
        return logits

    def _random_indices(self, draw: torch.Generator) -> Tensor:
        return torch.randint(len(self.data.images), (self.config.batch,), generator=draw)

    def _epoch_indices(self) -> Tensor:
        """The next batch of real images: every image once an epoch, in an order of that epoch's own."""
        batches = len(self.data.images) // self.config.batch
        epoch, position = divmod(self.iteration, batches)
        order = torch.randperm(len(self.data.images), generator=torch.Generator().manual_seed(self.config.seed + epoch))
        return order[position * self.config.batch :][: self.config.batch]

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs beside the configuration and the data, by name."""
        tensors = {"iteration": torch.tensor(self.iteration)}
        for part, module in self._modules().items():
            tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        for part, optimizer in self._optimizers().items():
            for index, moments in optimizer.state_dict()["state"].items():
                tensors |= {f"{part}.{index}.{name}": value for name, value in moments.items()}
        return tensors

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `state_dict()` was taken."""
        self.iteration = int(tensors["iteration"])
        for part, module in self._modules().items():
            module.load_state_dict(_part(tensors, part))
        for part, optimizer in self._optimizers().items():
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in _part(tensors, part).items():
                index, name = key.split(".")
                state.setdefault(int(index), {})[name] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})

    def _modules(self) -> dict[str, nn.Module]:
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
        }

    def _optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "generator_optimizer": self._generator_optimizer,
            "discriminator_optimizer": self._discriminator_optimizer,
        }


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _adam(net: nn.Module, learning_rate: float, pace: float = 1.0) -> torch.optim.Adam:
    return torch.optim.Adam(net.parameters(), lr=learning_rate * pace, betas=(0.0, 0.99**pace), eps=1e-8, fused=True)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@contextmanager
def _frozen(net: nn.Module) -> Iterator[None]:
    net.requires_grad_(False)
    try:
        yield
    finally:
        net.requires_grad_(True)
