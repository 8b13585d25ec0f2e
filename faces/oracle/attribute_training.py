"""Training the oracle on phantoms, and measuring it on phantoms that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import ConfigError, DatasetError
from faces.datasets.dataset import Dataset
from faces.datasets.records import PHANTOMS
from faces.images import Pixels
from faces.labels import AGE_GROUPS, CONDITIONS
from faces.oracle.attribute_network import SIDE, Oracle, OracleConfig, Reading, round_weights
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.person import Phantom, identity_vector, phantom

PROGRESSION_YEARS: Final = (1.0, 6.0, 15.0, 27.0, 60.0)
"""Ages at which one phantom is drawn to see how far the reading of its identity drifts: the middles of the groups."""


@dataclass(frozen=True)
class OracleTrainingConfig:
    """Configuration of the training.

    Args:
        epochs: times that each phantom is shown.
        batch: phantoms a step.
        learning_rate: the highest of the one cycle (AdamW).
        weight_decay: of AdamW.
        seed: of the first weights, the order and the augmentation.
    """

    epochs: int = 9
    batch: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 2:
            raise ConfigError(f"{self.epochs} epochs, batch {self.batch}; expected 1 or more, and 2 or more")


@dataclass(frozen=True)
class Truth:
    """True attributes of n phantoms.

    Attributes:
        condition, age_group: (n,) int64, places in the default vocabulary.
        age_years: (n,) float32.
        smile: (n,) float32 in [0, 1].
        identity: (n, 18) float64, not standardised.
    """

    condition: Tensor
    age_group: Tensor
    age_years: Tensor
    smile: Tensor
    identity: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.condition)

    @staticmethod
    def of(phantoms: list[Phantom]) -> Truth:
        years = np.array([of.age_years for of in phantoms])
        starts = np.array([group.from_years for group in AGE_GROUPS])
        return Truth(
            torch.tensor([CONDITIONS.index(of.condition) for of in phantoms]),
            torch.from_numpy(np.searchsorted(starts, years, side="right") - 1),
            torch.from_numpy(years).float(),
            torch.tensor([of.smile for of in phantoms]),
            np.stack([identity_vector(of) for of in phantoms]),
        )


def read_truth(data: Dataset) -> Truth:
    """Read the true attributes of a data set that `gestaltgen dataset phantoms` drew.

    Raises:
        DatasetError: the set holds anything but phantoms.
    """
    phantoms = []
    for record in data.records:
        person = (record.person or "").removeprefix("phantom-")
        years, smile = record.age_years, record.expression
        if record.source != PHANTOMS or record.condition is None or years is None or smile is None or not person:
            raise DatasetError(
                f"{data.path}: {record.file!r} is no phantom whose truth is known; "
                "expected a data set of `gestaltgen dataset phantoms`"
            )
        phantoms.append(phantom(record.condition, years, smile, int(person, 16)))
    return Truth.of(phantoms)


def train_oracle(
    images: Pixels,
    truth: Truth,
    config: OracleTrainingConfig,
    network: OracleConfig | None = None,
    *,
    on_progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> Oracle:
    """Train an oracle; return it in evaluation mode, with its weights rounded as its file will hold them.

    Args:
        images: uint8 (n, 128, 128, 3) phantoms.
        on_progress: called after each step with its number, the number of all and the loss.

    Raises:
        ConfigError: images of another size, or fewer than a batch.
    """
    if images.shape[1:] != (SIDE, SIDE, 3) or len(images) < config.batch or len(images) != len(truth):
        raise ConfigError(
            f"images are {images.shape} with {len(truth)} truths; expected (n, {SIDE}, {SIDE}, 3), "
            f"n of {config.batch} or more"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        oracle = Oracle(network).train()
        identity = torch.from_numpy(truth.identity).float()
        oracle.identity_mean.copy_(identity.mean(dim=0))
        oracle.identity_deviation.copy_(identity.std(dim=0))
        pixels = torch.from_numpy(images)
        learn(
            oracle,
            len(images),
            config,
            lambda chosen: _loss(oracle, augment(pixels[chosen]), truth, chosen),
            on_progress,
        )
    round_weights(oracle)
    return oracle.eval().requires_grad_(False)


def learn(
    network: nn.Module,
    count: int,
    config: OracleTrainingConfig,
    loss_of: Callable[[Tensor], Tensor],
    on_progress: Callable[[int, int, float], None],
) -> None:
    """Train a network by AdamW on shuffled batches of `count` examples, with one cycle of the learning rate.

    Args:
        loss_of: loss of the examples at places (batch,).
    """
    steps = config.epochs * (count // config.batch)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps)
    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        if len(order) < config.batch:
            order = torch.randperm(count)
        chosen, order = order[: config.batch], order[config.batch :]
        loss = loss_of(chosen)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        on_progress(step + 1, steps, loss.item())


def augment(pixels: Tensor) -> Tensor:
    """Convert uint8 (n, h, h, 3) to float32 (n, 3, h, h) in about [-1, 1], mirrored, shifted and degraded.

    The shift is one for the batch, whose order is random. Draws from PyTorch's default stream.
    """
    side = pixels.shape[1]
    x = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    x[::2] = x[::2].flip(3)
    reach = side // 32
    down, across = torch.randint(0, 2 * reach + 1, (2,)).tolist()
    return degrade(F.pad(x, (reach,) * 4, mode="replicate")[:, :, down : down + side, across : across + side])


def degrade(images: Tensor) -> Tensor:
    """Change colours, sharpness and noise of images (n, 3, h, h) without moving them.

    Generated pictures are softer and noisier than drawings; a network that has only seen crisp ones would read
    artefacts instead of faces. The softness is one for the batch. Draws from PyTorch's default stream.
    """
    n, side = len(images), images.shape[2]
    x = images * torch.exp(0.08 * torch.randn(n, 3, 1, 1)) + 0.05 * torch.randn(n, 3, 1, 1)
    softened, noisy = slice(0, n // 3), slice(n // 4, n // 2)
    smaller = int(torch.randint(3 * side // 8, side, ()))
    small = F.interpolate(x[softened], (smaller, smaller), mode="bilinear", antialias=True, align_corners=False)
    x[softened] = F.interpolate(small, (side, side), mode="bilinear", align_corners=False)
    noise = torch.rand_like(x[noisy]) - 0.5
    x[noisy] += 0.2 * torch.randn(len(noise), 1, 1, 1) * noise
    return x


def _loss(oracle: Oracle, images: Tensor, truth: Truth, chosen: Tensor) -> Tensor:
    condition, bins, smile, identity, _ = oracle(images)
    years = truth.age_years[chosen]
    edges = torch.from_numpy(oracle.config.age_edges()[1:-1]).float()
    on_log_scale = bins.softmax(dim=1) @ torch.log1p(oracle.bin_years)
    losses = (
        F.cross_entropy(condition, truth.condition[chosen]),
        F.nll_loss(oracle.age_groups(bins), truth.age_group[chosen]),
        0.3 * F.cross_entropy(bins, torch.bucketize(years, edges, right=True)),
        2.0 * F.mse_loss(on_log_scale, torch.log1p(years)),
        3.0 * F.mse_loss(smile, truth.smile[chosen]),
        4.0 * F.mse_loss(identity, oracle.standardise(truth.identity[chosen.numpy()])),
    )
    return torch.stack(losses).sum()


def measure(oracle: Oracle, reading: Reading, truth: Truth) -> dict[str, Any]:
    """Measure the accuracy of an oracle on phantoms that it has not seen, JSON-able.

    `near_border` counts the ages within a tenth of a border between two groups (9 to 11 years for the one at 10).
    `identity_r2` is the share of the variance of each standardised entry that the reading explains, the
    least of all age groups beside that of all.
    """
    years, right = truth.age_years, reading.age_group == truth.age_group
    near = torch.zeros(len(truth), dtype=torch.bool)
    for group in oracle.config.ages[1:]:
        near |= (years / group.from_years - 1).abs() <= 0.1
    identity = oracle.standardise(truth.identity)
    r2 = _explained_variance(reading.identity, identity)
    by_age = torch.stack(
        [
            _explained_variance(reading.identity[rows], identity[rows])
            for group in range(len(oracle.config.ages))
            if (rows := truth.age_group == group).sum() > 1
        ]
    )
    return {
        "phantoms": len(truth),
        "condition_accuracy": _share(reading.condition == truth.condition),
        "age_group_accuracy": _share(right),
        "age_group_accuracy_near_border": _share(right[near]),
        "phantoms_near_border": int(near.sum()),
        "age_error_years": _number((reading.age_years - years).abs().mean()),
        "smile_error": _number((reading.smile - truth.smile).abs().mean()),
        "identity_r2": [_number(value) for value in r2],
        "identity_r2_least_of_ages": [_number(value) for value in by_age.amin(dim=0)],
    }


def ageing_phantoms(persons: int, seed: int, side: int = SIDE) -> tuple[Pixels, list[Phantom]]:
    """Draw each of `persons` at PROGRESSION_YEARS: images uint8 (persons · 5, side, side, 3), person after person.

    Conditions take turns. Persons of another seed are other persons.
    """
    rng = np.random.default_rng([seed, persons])
    people = []
    for person in range(persons):
        condition, smile, identity = CONDITIONS[person % len(CONDITIONS)], rng.uniform(), int(rng.integers(2**62))
        people += [phantom(condition, years, smile, identity) for years in PROGRESSION_YEARS]
    return np.stack([draw_phantom(of, side).image for of in people]), people


def _explained_variance(read: Tensor, true: Tensor) -> Tensor:
    return 1 - (read - true).square().mean(dim=0) / true.var(dim=0, correction=0)


def _share(right: Tensor) -> float:
    return _number(right.double().mean())


def _number(value: Tensor) -> float:
    number = value.item()
    return round(number, 5) if math.isfinite(number) else math.nan
