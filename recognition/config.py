"""Settings of the training of a classifier: one frozen value, checked when it is made and stored with every run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

from core.errors import ConfigError
from recognition.networks.architectures import NAMES, PRETRAINING, SMALLEST_SIZE

OPTIMIZERS: Final = ("adamw", "adam", "sgd")
SCHEDULES: Final = ("constant", "cosine", "cosine-restarts")
SELECTIONS: Final = ("loss", "accuracy", "balanced_accuracy")
SAMPLINGS: Final = ("shuffled", "balanced")
TOTALS: Final = ("weights", "as-published")
PRECISIONS: Final = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class ClassifierTrainingConfig:
    """Settings of the training of a classifier. The defaults train "small" on a few hundred faces.

    Args:
        network: one of `networks.NAMES`.
        size: side in pixels to which images are resized.
        pretraining: data that the weights of the backbone, if there are any, were learnt on: "imagenet" or "vggface2".
        epochs: largest number of epochs.
        batch: images in a step; an epoch is cut into nearly equal batches of about this size.
        images_per_epoch: images shown in an epoch, real and synthetic together; None shows each one once.
        optimizer: "adamw", "adam" or "sgd".
        learning_rate: highest learning rate.
        head_rate: factor of the learning rate for the head.
        momentum: momentum of SGD.
        weight_decay: weight decay of the optimizer.
        schedule: schedule of the learning rate: "constant", "cosine" down to 0 at the last epoch, or
            "cosine-restarts".
        warmup_epochs: epochs at the start in which the rate rises from `warmup_from` times its highest value.
        warmup_from: share of the learning rate at the start of the warm-up.
        restart_epochs: epochs until "cosine-restarts" begins again.
        patience: training stops after more than this number of epochs in a row without improvement; None never stops
            early, which suits a rate that falls until the last epoch, because the best epoch is often among the last.
        select: figure of the validation part that chooses the best epoch: "loss", "accuracy" or "balanced_accuracy".
        class_weights: weights of the loss by class, 1 for those not named; "balanced" for those inverse to the share
            of the training labels; None for equal weights.
        loss_total: divisor of a batch's loss: "weights", the weights of its labels, the same for hard and soft ones;
            "as-published", the number of images if one label of the run is soft.
        sampling: "shuffled", or "balanced", which draws every class equally often, with replacement.
        mirror: flip half of the images.
        shift: largest shift of an image in each direction, as a share of its side.
        colour: standard deviation of the logarithm of the gain of each channel, and of its offset in [-1, 1].
        dropout: share of the features that the head does not see in training.
        dropout_passes: number of draws of dropout that are averaged.
        label_smoothing: share of every label that is spread over all classes.
        precision: precision of convolutions: "float32", "bfloat16", or "auto", which takes bfloat16 if the hardware has
            matrix units.
        seed: seed of weights, order, augmentation and dropout.

    Raises ConfigError for values that make no sense.
    """

    network: str = "small"
    size: int = 64
    pretraining: str = "imagenet"
    epochs: int = 60
    batch: int = 16
    images_per_epoch: int | None = None
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    head_rate: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.05
    schedule: str = "cosine"
    warmup_epochs: int = 2
    warmup_from: float = 0.1
    restart_epochs: int = 10
    patience: int | None = None
    select: str = "loss"
    class_weights: Mapping[str, float] | str | None = None
    loss_total: str = "weights"
    sampling: str = "shuffled"
    mirror: bool = True
    shift: float = 0.04
    colour: float = 0.05
    dropout: float = 0.3
    dropout_passes: int = 1
    label_smoothing: float = 0.0
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("network", NAMES),
            ("pretraining", PRETRAINING),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("select", SELECTIONS),
            ("loss_total", TOTALS),
            ("sampling", SAMPLINGS),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}")
        for name, least in (
            ("size", SMALLEST_SIZE),
            ("epochs", 1),
            ("batch", 2),
            ("images_per_epoch", 2),
            ("warmup_epochs", 0),
            ("restart_epochs", 1),
            ("patience", 0),
            ("dropout_passes", 1),
            ("seed", 0),
        ):
            if getattr(self, name) is not None and getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected {least} or more")
        for name in ("learning_rate", "head_rate", "warmup_from"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a positive number")
        for name in ("weight_decay", "colour"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 (off) or more")
        for name, top in (("momentum", 1.0), ("dropout", 1.0), ("label_smoothing", 1.0), ("shift", 0.5)):
            if not 0 <= getattr(self, name) < top:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a number from 0 to below {top:g}")
        if self.pretraining == "vggface2" and self.network != "resnet50":
            raise ConfigError(f"pretraining is 'vggface2' for {self.network}; only resnet50 has such weights")
        weights = self.class_weights
        if isinstance(weights, str) and weights != "balanced":
            raise ConfigError(f"class_weights is {weights!r}; expected 'balanced', a weight by class, or None")
        if isinstance(weights, Mapping) and not all(0 < weight < math.inf for weight in weights.values()):
            raise ConfigError(f"class_weights are {dict(weights)}; expected positive numbers")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Restore settings from the result of `to_json`.

        Raises:
            ConfigError: settings that are unknown here, or make no sense.
        """
        if unknown := sorted(data.keys() - {field.name for field in fields(cls)}):
            raise ConfigError(
                f"a classifier's settings have {unknown[0]!r}, unknown here; update gestaltgen to read it"
            )
        return cls(**data)
