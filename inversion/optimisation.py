"""Inversion by optimisation: slow and exact, for any generator, without an encoder.

`project` looks for the latent in W or W+ (Karras et al. 2020, appendix D; Abdal et al. 2019), `find_pivot` for one of
the generator's own, `tune` keeps a latent as pivot and bends the generator's kernels towards the photograph (pivotal
tuning, Roich et al. 2021). Faces of a batch are optimised side by side and do not influence each other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import ConfigError
from gen.networks import Generator
from inversion.facial_features import compare_features, weigh_features
from inversion.inverter import check_faces
from inversion.latent_region import LatentRegion, sample_latents
from inversion.networks.encoder import resize
from inversion.quality import Judge
from inversion.result import Inversion, Offsets, render
from inversion.similarity import Distance, Perceptual, mean_square

Space: TypeAlias = Literal["w", "w+"]
OnStep: TypeAlias = Callable[[int, int, float], None]
"""Told after each step: steps made, steps planned, mean loss."""

_SAMPLES: Final = 10_000
_LEAST_NOISE_SIDE: Final = 8


def _check_run(steps: int, learning_rate: float, seconds: float | None) -> None:
    if steps < 1:
        raise ConfigError(f"steps is {steps}; expected 1 or more")
    if not 0 < learning_rate < math.inf:
        raise ConfigError(f"learning_rate is {learning_rate}; expected a positive number")
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"seconds is {seconds}; expected a positive number, or None for no limit")


@dataclass(frozen=True)
class ProjectionConfig:
    """Configuration of a projection; the defaults are the published ones, for a loss of this scale.

    Args:
        space: "w", one latent for all layers, or "w+", one for each.
        steps: of Adam.
        learning_rate: its highest; it rises over the first twentieth and falls over the last quarter.
        latent_noise: of the latents' own deviation, added at first, gone after three quarters.
        noise_weight: of the regularisation that keeps the image noise from carrying the face.
        l2_weight, perceptual_weight: of the two distances.
        seconds: stop after so long; None for no limit.
    """

    space: Space = "w"
    steps: int = 500
    learning_rate: float = 0.1
    latent_noise: float = 0.05
    noise_weight: float = 1e5
    l2_weight: float = 1.0
    perceptual_weight: float = 1.0
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.space not in ("w", "w+"):
            raise ConfigError(f"space is {self.space!r}; expected 'w' or 'w+'")
        _check_run(self.steps, self.learning_rate, self.seconds)


PIVOT_SEARCH: Final = ProjectionConfig(steps=80, learning_rate=0.3)
"""Search of a pivot; its learning rate is in standard deviations of the latents."""


@dataclass(frozen=True)
class TuningConfig:
    """Configuration of pivotal tuning.

    Args:
        steps: of Adam.
        learning_rate: of the offsets, which are relative to the kernels: its highest, as in ProjectionConfig.
        l2_weight, perceptual_weight: of the two distances.
        feature_weight: of a pixel of the eyes or the mouth in the first distance, where others have 1
            (`inversion.facial_features`).
        similarity_weight: of the structure of the eyes and the mouth: of 1 minus the mean of `compare_features`.
        seconds: stop after so long; None for no limit.
    """

    steps: int = 220
    learning_rate: float = 0.02
    l2_weight: float = 4.0
    perceptual_weight: float = 1.0
    feature_weight: float = 9.0
    similarity_weight: float = 0.4
    seconds: float | None = None

    def __post_init__(self) -> None:
        _check_run(self.steps, self.learning_rate, self.seconds)


def project(
    generator: Generator,
    images: Tensor,
    config: ProjectionConfig = ProjectionConfig(),
    *,
    start: Tensor | None = None,
    perceptual: Perceptual | None = None,
    judge: Judge = Judge(),
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Inversion:
    """Find the latents that reproduce faces best, with the generator unchanged.

    The image noise is optimised beside them, kept from carrying the face, and left out in the end.

    Args:
        images: (n, 3, h, h) in [-1, 1], aligned, of any size.
        start: (n, num_ws, w_dim) latents to begin at, as an encoder's; None for the average latent.
        perceptual: see `inversion.similarity`; None for pixels alone.
        judge: measures the result.
        seed: draws the noise and the latents whose deviation is measured.

    Raises:
        ImageError: images of another shape or range.
    """
    check_faces(images)
    target = resize(images, generator.config.resolution)
    distance = _measure_distance(target, config, perceptual)
    draws = torch.Generator().manual_seed(seed)
    deviation, average = _measure_latents(generator, draws)
    n, num_ws = len(images), generator.config.num_ws
    start = average.expand(n, num_ws, -1) if start is None else start
    if config.space == "w":
        start = start.mean(dim=1, keepdim=True)
    w = start.clone().requires_grad_()
    noise = {
        name: torch.randn(n, 1, *buffer.shape, generator=draws).to(target.device).requires_grad_()
        for name, buffer in generator.noise_images.items()
    }
    optimizer = torch.optim.Adam([w, *noise.values()], betas=(0.9, 0.999), lr=config.learning_rate)
    clock = _StepClock(config.steps, config.seconds, on_step)
    for step in clock:
        share = step / config.steps
        _set_learning_rate(optimizer, config.learning_rate, share)
        scale = deviation * config.latent_noise * max(0.0, 1 - share / 0.75) ** 2
        shaken = w + torch.randn(w.shape, generator=draws).to(w) * scale
        picture = generator.synthesize(shaken.expand(-1, num_ws, -1), noise=noise)
        loss = distance(picture)
        optimizer.zero_grad()
        torch.autograd.backward((loss + config.noise_weight * _noise_correlation(noise)).sum())
        optimizer.step()
        _normalise(noise)
        clock.count_step(loss)
    latents = w.detach().expand(-1, num_ws, -1).contiguous()
    return _make_inversion(generator, latents, {}, target, judge, clock.steps_made, config.space)


def find_pivot(
    generator: Generator,
    images: Tensor,
    config: ProjectionConfig = PIVOT_SEARCH,
    *,
    perceptual: Perceptual | None = None,
    seed: int = 0,
    on_step: OnStep | None = None,
) -> Tensor:
    """Find latents (n, num_ws, w_dim) in W that reproduce faces best and lie no further out than the generator's own.

    `project` goes wherever the error falls, far from all latents of the generator, where edits mean nothing. Here the
    latent is optimised in deviations from the mean, and kept within the distance of a typical latent, the square root
    of its dimensions (as Zhu et al. 2020, "Improved StyleGAN embedding").

    Args:
        images: (n, 3, h, h) in [-1, 1], aligned, of any size.
        config: of the search; its space and its noise are not used.
        perceptual, seed, on_step: as in `project`.

    Raises:
        ImageError: images of another shape or range.
    """
    check_faces(images)
    target = resize(images, generator.config.resolution)
    distance = _measure_distance(target, config, perceptual)
    num_ws, width = generator.config.num_ws, generator.config.w_dim
    region = LatentRegion.of(sample_latents(generator, max(_SAMPLES, 10 * width), seed)[0])
    at = target.new_zeros((len(images), width)).requires_grad_()
    optimizer = torch.optim.Adam([at], lr=config.learning_rate)
    clock = _StepClock(config.steps, config.seconds, on_step)
    for step in clock:
        _set_learning_rate(optimizer, config.learning_rate, step / config.steps)
        w = region.from_deviations(at)[:, None].expand(-1, num_ws, -1)
        loss = distance(generator.synthesize(w))
        optimizer.zero_grad()
        torch.autograd.backward(loss.sum())
        optimizer.step()
        with torch.no_grad():
            at.copy_(_limit_length(at, math.sqrt(width)))
        clock.count_step(loss)
    return region.from_deviations(at.detach())[:, None].expand(-1, num_ws, -1).contiguous()


def tune(
    generator: Generator,
    images: Tensor,
    pivot: Tensor,
    config: TuningConfig = TuningConfig(),
    *,
    start: Offsets = MappingProxyType({}),
    perceptual: Perceptual | None = None,
    judge: Judge = Judge(),
    on_step: OnStep | None = None,
) -> Inversion:
    """Find offsets of all 3x3 kernels that reproduce faces at given latents.

    Args:
        images: (n, 3, h, h) in [-1, 1], aligned, of any size.
        pivot: (n, num_ws, w_dim) latents, which stay.
        start: offsets to begin with, such as a hypernetwork's; those that are not named begin at zero.
        perceptual, judge: as in `project`.

    Raises:
        ImageError: images of another shape or range.
    """
    check_faces(images)
    target = resize(images, generator.config.resolution)
    weights = weigh_features(generator.config.resolution, config.feature_weight).to(target.device)
    distance = _measure_distance(target, config, perceptual, weights)

    def measure_loss(picture: Tensor) -> Tensor:
        return distance(picture) + config.similarity_weight * (1 - compare_features(picture, target).mean(dim=1))

    offsets = {
        name: (start[name].clone() if name in start else target.new_zeros((len(images), *shape))).requires_grad_()
        for name, shape in generator.kernel_shapes.items()
    }
    optimizer = torch.optim.Adam(offsets.values(), lr=config.learning_rate)
    clock = _StepClock(config.steps, config.seconds, on_step)
    for step in clock:
        _set_learning_rate(optimizer, config.learning_rate, step / config.steps)
        loss = measure_loss(generator.synthesize(pivot, offsets=offsets))
        optimizer.zero_grad()
        torch.autograd.backward(loss.sum())
        optimizer.step()
        clock.count_step(loss)
    bent = {name: value.detach() for name, value in offsets.items()}
    return _make_inversion(generator, pivot, bent, target, judge, clock.steps_made, "pti")


class _StepClock:
    """Counts steps up to a number, a time, or whichever comes first."""

    def __init__(self, steps: int, seconds: float | None, on_step: OnStep | None) -> None:
        self.steps, self.steps_made, self._on_step = steps, 0, on_step
        self._ends = math.inf if seconds is None else time.monotonic() + seconds

    def __iter__(self) -> _StepClock:
        return self

    def __next__(self) -> int:
        if self.steps_made == self.steps or (self.steps_made and time.monotonic() > self._ends):
            raise StopIteration
        return self.steps_made

    def count_step(self, loss: Tensor) -> None:
        self.steps_made += 1
        if self._on_step is not None:
            self._on_step(self.steps_made, self.steps, loss.mean().item())


@torch.no_grad()
def _measure_latents(generator: Generator, draws: torch.Generator) -> tuple[float, Tensor]:
    """Measure the deviation of latents from their mean, and the mean (w_dim,), over all labels equally."""
    z = torch.randn(_SAMPLES, generator.config.z_dim, generator=draws).to(generator.mapping.w_avg.device)
    vocabulary = generator.config.vocabulary
    c = None
    if vocabulary is not None:
        labels = [vocabulary.encode(cond, age) for cond in vocabulary.conditions for age in vocabulary.age_names]
        c = torch.stack(labels).to(z.device)[torch.arange(len(z)) % len(labels)]
    w = generator.map(z, c)[:, 0]
    return (w - w.mean(dim=0)).square().sum(dim=1).mean().sqrt().item() / math.sqrt(w.shape[1]), w.mean(dim=0)


def _set_learning_rate(optimizer: torch.optim.Optimizer, highest: float, share: float) -> None:
    """Set the learning rate after a share of the steps."""
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - share) / 0.25))
    for group in optimizer.param_groups:
        group["lr"] = highest * down * min(1.0, share / 0.05 + 0.05)


def _limit_length(vectors: Tensor, most: float) -> Tensor:
    shrunk: Tensor = vectors * (most / vectors.norm(dim=-1, keepdim=True).clamp_min(1e-12)).clamp(max=1)
    return shrunk


def _measure_distance(
    target: Tensor,
    config: ProjectionConfig | TuningConfig,
    perceptual: Perceptual | None,
    weights: Tensor | None = None,
) -> Distance:
    """Return the weighted distance from a target.

    Args:
        weights: of the pixels, which broadcast to the target; None for 1.
    """
    of_features = None if perceptual is None else perceptual.measure_from(target)

    def measure(picture: Tensor) -> Tensor:
        loss = config.l2_weight * mean_square(picture, target, weights)
        return loss if of_features is None else loss + config.perceptual_weight * of_features(picture)

    return measure


def _noise_correlation(noise: dict[str, Tensor]) -> Tensor:
    """Return the correlation (n,) of noise images (n, 1, r, r) with themselves moved by a pixel, over all scales."""
    total = torch.zeros(len(next(iter(noise.values()))), device=next(iter(noise.values())).device)
    for image in noise.values():
        scale = image
        while True:
            for axis in (2, 3):
                total = total + (scale * scale.roll(1, dims=axis)).mean(dim=(1, 2, 3)).square()
            if scale.shape[2] <= _LEAST_NOISE_SIDE:
                break
            scale = F.avg_pool2d(scale, 2) * 2
    return total


@torch.no_grad()
def _normalise(noise: dict[str, Tensor]) -> None:
    for image in noise.values():
        image -= image.mean(dim=(2, 3), keepdim=True)
        image *= image.square().mean(dim=(2, 3), keepdim=True).rsqrt()


def _make_inversion(
    generator: Generator, w: Tensor, offsets: Offsets, target: Tensor, judge: Judge, steps: int, method: str
) -> Inversion:
    picture = render(generator, w, offsets)
    return Inversion(w, offsets, picture, judge(picture, target), (steps,) * len(w), method)
