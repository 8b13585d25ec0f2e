"""Trainer of an inverter, on real faces and on generated faces, whose latents are known.

As with the generator, every random draw comes from a generator seeded by (seed, iteration), for the whole batch in
every process, so that a run needs no random state to resume, and several processes do what one would.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

from core.errors import ConfigError, TrainingError
from core.precision import dtype_of
from gen.checkpoint import fingerprint
from gen.labels import Vocabulary
from gen.training.batches import Batches, pools
from gen.training.data import TrainingImages
from gen.training.distributed import Processes
from gen.training.optimizer import is_finite
from inversion.inverter import Inverter
from inversion.similarity import Perceptual, mean_square
from inversion.training.normalisation import synchronise
from inversion.training.optimizer import Optimizer
from inversion.training.recipe import InversionTrainingConfig

CPU: Final = torch.device("cpu")

Identity: TypeAlias = Callable[[Tensor], Tensor]
"""Features (n, d) of who is on pictures (n, 3, h, h), of unit length; differentiable."""


@dataclass(frozen=True)
class InversionReport:
    """Figures of one step, over all processes.

    Args:
        images_seen: faces shown so far.
        l2, perceptual, identity: distances of the last reconstruction to the face; 0 where they have no weight.
        l2_encoder: of the encoder's reconstruction.
        latent: distance of the encoder's answer to the latents of generated faces, 1 for the average latent.
        gradient: norm, of all passes.
    """

    images_seen: int
    l2: float
    l2_encoder: float
    perceptual: float
    identity: float
    latent: float
    gradient: float


_MEASURED: Final = tuple(name for name in InversionReport.__dataclass_fields__ if name != "images_seen")


class InversionTrainer:
    """Trains one network of an inverter, step by step.

    Args:
        inverter: its generator and, in the stage "hypernetwork", its encoder stay as they are.
        config: the recipe.
        data: real faces of the generator's size; None for generated ones alone.
        vocabulary: of the data's labels.
        perceptual: distance of features; None for pixels alone.
        identity: features of who it is; None leaves that loss out.
        device: where the networks are; the data stays on the CPU.
        processes: with which this one trains.

    Raises:
        ConfigError: parts that do not fit each other.
    """

    def __init__(
        self,
        inverter: Inverter,
        config: InversionTrainingConfig,
        data: TrainingImages | None,
        vocabulary: Vocabulary | None = None,
        *,
        perceptual: Perceptual | None = None,
        identity: Identity | None = None,
        device: torch.device = CPU,
        processes: Processes = Processes(),
    ) -> None:
        _check_fit(inverter, config, data, processes)
        self.config, self.data, self.device, self.processes = config, data, device, processes
        self.inverter = inverter.to(device).requires_grad_(False).eval()
        self.learner = inverter.w_encoder if config.stage == "encoder" else inverter.hypernet
        self.learner.requires_grad_()
        synchronise(self.learner, processes)
        self.iteration = 0
        self._perceptual = perceptual if config.perceptual_weight else None
        self._identity = identity if config.identity_weight else None
        self._pictures_teach = bool(config.l2_weight or self._perceptual or self._identity)
        self._batches: Batches | None = None
        if data is not None and config.synthetic < config.batch:
            chosen = pools(config.sampling, data.labels, vocabulary or Vocabulary())
            self._batches = Batches(chosen, config.batch - config.synthetic, config.seed)
        self._share = processes.share(config.batch)
        self._optimizer = Optimizer(self.learner, config.optimizer, config.learning_rate, processes)
        self._labels = list_labels(inverter.generator.config.vocabulary)
        self._deviation = self._measure_deviation()
        self._generator_print = fingerprint(inverter.generator)

    @property
    def images_seen(self) -> int:
        return self.iteration * self.config.batch

    def step(self) -> InversionReport:
        """Train one step.

        Raises:
            TrainingError: a loss or a gradient is no number.
        """
        images, latents = self.make_batch(self.iteration)
        self.learner.train()
        with self._autocast():
            measured = (
                self._encoder_step(images, latents)
                if self.config.stage == "encoder"
                else self._hypernetwork_step(images)
            )
        measured["gradient"] = self._optimizer.step()
        self.learner.eval()
        self.iteration += 1
        return self._make_report(measured)

    def _encoder_step(self, images: Tensor, latents: Tensor) -> dict[str, Tensor]:
        w = self.inverter.encode(images)
        with torch.set_grad_enabled(self._pictures_teach):
            picture = self.inverter.generator.synthesize(w, dtype=dtype_of(self.config.precision))
        loss, measured = self._measure_distances(picture, images)
        # Rows of NaN are real faces, whose latents nobody knows.
        known = ~latents[:, 0].isnan()
        missed = (w[:, 0] - latents.nan_to_num()).square().mean(dim=1) / self._deviation**2
        latent = (missed * known).sum() * self.processes.count / max(self.config.synthetic, 1)
        self._optimizer.add(loss + self.config.latent_weight * latent)
        return measured | {"latent": latent, "l2_encoder": measured["l2"]}

    def _hypernetwork_step(self, images: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            w = self.inverter.encode(images)
        measured: dict[str, Tensor] = {}
        first = torch.zeros((), device=self.device)
        for attempt in self.inverter.refine(images, w, self.config.passes, dtype_of(self.config.precision)):
            if attempt.number == 0:
                first = mean_square(attempt.reconstruction, images).mean()
                continue
            loss, measured = self._measure_distances(attempt.reconstruction, images)
            self._optimizer.add(loss)
        return measured | {"l2_encoder": first}

    def _measure_distances(self, picture: Tensor, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted distance of reconstructions to faces, and each distance, as means over this share."""
        config = self.config
        measured = {"l2": mean_square(picture, images).mean()}
        loss = config.l2_weight * measured["l2"]
        if self._perceptual is not None:
            measured["perceptual"] = self._perceptual(picture, images).mean()
            loss = loss + config.perceptual_weight * measured["perceptual"]
        if self._identity is not None:
            cosines = (self._identity(picture) * self._identity(images).detach()).sum(dim=1)
            measured["identity"] = (1 - cosines).mean()
            loss = loss + config.identity_weight * measured["identity"]
        return loss, measured

    def make_batch(self, iteration: int) -> tuple[Tensor, Tensor]:
        """Make this process's share of a batch: faces (k, 3, h, h), and latents (k, w_dim), NaN for real faces."""
        config, draw = self.config, self._seed_draws(iteration)
        generator = self.inverter.generator
        z = torch.randn(config.synthetic, generator.config.z_dim, generator=draw)
        labels = (
            None if self._labels is None else self._labels[torch.randint(len(self._labels), (len(z),), generator=draw)]
        )
        flips = torch.rand(config.batch - config.synthetic, generator=draw) < (0.5 if config.mirror else 0)
        ours = self._share[self._share < config.synthetic]
        reals = self._share[self._share >= config.synthetic] - config.synthetic
        images, latents = [], []
        if len(ours):
            with torch.no_grad():
                c = None if labels is None else labels[ours].to(self.device)
                w = generator.map(z[ours].to(self.device), c)
                images.append(generator.synthesize(w, dtype=dtype_of(config.precision)).clamp(-1, 1))
                latents.append(w[:, 0])
        if len(reals) and self._batches is not None and self.data is not None:
            real, _ = self.data.batch(self._batches.real(iteration)[reals], flips[reals])
            images.append(real.to(self.device))
            latents.append(torch.full((len(reals), generator.config.w_dim), math.nan, device=self.device))
        return torch.cat(images), torch.cat(latents)

    def _seed_draws(self, iteration: int) -> torch.Generator:
        seed = np.random.SeedSequence([self.config.seed, iteration, *b"inversion"]).generate_state(1)
        return torch.Generator().manual_seed(int(seed[0]))

    @contextmanager
    def _autocast(self) -> Iterator[None]:
        half = self.config.precision != "float32"
        with torch.autocast(self.device.type, dtype=dtype_of(self.config.precision), enabled=half):
            yield

    @torch.no_grad()
    def _measure_deviation(self, samples: int = 1_000) -> float:
        """Measure the root of the mean variance of the generator's latents over all labels."""
        generator, draw = self.inverter.generator, torch.Generator().manual_seed(0)
        z = torch.randn(samples, generator.config.z_dim, generator=draw).to(self.device)
        c = None if self._labels is None else self._labels[torch.arange(samples) % len(self._labels)].to(self.device)
        return generator.map(z, c)[:, 0].var(dim=0).mean().sqrt().item()

    def _make_report(self, measured: Mapping[str, Tensor]) -> InversionReport:
        zero = torch.zeros((), device=self.device)
        values = torch.stack([measured.get(name, zero).detach().float() for name in _MEASURED])
        self.processes.average([values])
        numbers = dict(zip(_MEASURED, values.tolist(), strict=True))
        if broken := [name for name, value in numbers.items() if not math.isfinite(value)]:
            raise TrainingError(
                f"{', '.join(broken)} is no number after {self.images_seen} images; the last snapshot is intact: "
                "resume it with a lower learning rate, or in float32"
            )
        return InversionReport(images_seen=self.images_seen, **numbers)

    # State that is saved and restored.

    def check_weights(self) -> None:
        """Raise TrainingError if a weight is no number: such a state must not replace a good one."""
        if not is_finite(self.learner):
            raise TrainingError(
                f"weights of the {self.config.stage} are no numbers after {self.images_seen} images; nothing was "
                "saved, the last snapshot is intact: resume it with a lower learning rate, or in float32"
            )

    def settings(self) -> dict[str, Any]:
        """Return the settings that a resumed run must share with the stopped one, JSON-able."""
        data = None if self.data is None else {"images": len(self.data.images), "fingerprint": self.data.fingerprint()}
        parts = {
            "generator": self._generator_print,
            "encoder": self.inverter.w_encoder.config.to_json(),
            "hypernetwork": self.inverter.hypernet.config.to_json(),
            "training": asdict(self.config),
            "data": data,
        }
        return json.loads(json.dumps(parts))  # type: ignore[no-any-return]

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tensors that a resumed run needs, by name."""
        tensors = {"iteration": torch.tensor(self.iteration)}
        for part in ("w_encoder", "hypernet"):
            net = self.inverter.get_submodule(part)
            tensors |= {f"{part}.{name}": value for name, value in net.state_dict().items()}
        return tensors | {f"optimizer.{name}": value for name, value in self._optimizer.state_dict().items()}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore the state that `state_dict()` returned."""
        self.iteration = int(tensors["iteration"])
        for part in ("w_encoder", "hypernet"):
            self.inverter.get_submodule(part).load_state_dict(_select_part(tensors, part))
        self._optimizer.load_state_dict(_select_part(tensors, "optimizer"))


def list_labels(vocabulary: Vocabulary | None) -> Tensor | None:
    """List the labels of every condition in every age, (m, c_dim)."""
    return None if vocabulary is None else vocabulary.every_label()


def _select_part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    prefix = f"{part}."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _check_fit(
    inverter: Inverter, config: InversionTrainingConfig, data: TrainingImages | None, processes: Processes
) -> None:
    real, side = config.batch - config.synthetic, inverter.generator.config.resolution
    if data is None and real:
        raise ConfigError(
            f"{real} faces of a batch are real and there is no data; name a data set, or synthetic_share=1"
        )
    if data is not None and data.images.shape[1:] != (3, side, side):
        raise ConfigError(
            f"training images are {tuple(data.images.shape[1:])}; expected (3, {side}, {side}), the generator's size: "
            f"make the data set with --size {side}"
        )
    if config.batch % processes.count:
        raise ConfigError(f"a batch of {config.batch} for {processes.count} processes; expected a multiple of them")
