"""Recipe of an inverter's training: one frozen value, validated when made and stored with every run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from core.errors import ConfigError
from core.precision import PRECISIONS, Precision

Stage: TypeAlias = Literal["encoder", "hypernetwork"]
OptimizerName: TypeAlias = Literal["ranger", "adamw"]


@dataclass(frozen=True)
class InversionTrainingConfig:
    """Recipe of an inverter's training.

    Args:
        stage: what learns: the encoder, or the hypernetwork around a frozen encoder.
        batch: faces a step, over all processes.
        learning_rate: 1e-4 with full-sized networks, as published; smaller ones bear more.
        optimizer: "ranger" (RAdam with lookahead, as published) or "adamw".
        passes: of the hypernetwork in a step; their gradients add up.
        l2_weight, perceptual_weight: of the distances between a face and its reconstruction.
        identity_weight: of 1 - cosine of an identity network's features; no effect where there is none.
        latent_weight: of the distance between the latent of a generated face and the encoder's answer, relative to the
            latents' variance. Encoder only.
        synthetic_share: of the faces that the generator makes itself; the others are real.
        mirror: show every real face also flipped.
        sampling: which real faces are shown how often: a rule of gen.training.batches.RULES, or shares by name.
        precision: of the convolutions.
        seed: of everything that is drawn.

    Raises ConfigError for values that make no sense.
    """

    stage: Stage
    batch: int = 8
    learning_rate: float = 5e-4
    optimizer: OptimizerName = "ranger"
    passes: int = 5
    l2_weight: float = 1.0
    perceptual_weight: float = 0.8
    identity_weight: float = 0.1
    latent_weight: float = 0.1
    synthetic_share: float = 0.5
    mirror: bool = True
    sampling: str | Mapping[str, float] = "shuffled"
    precision: Precision = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (
            ("stage", get_args(Stage)),
            ("optimizer", get_args(OptimizerName)),
            ("precision", PRECISIONS),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}")
        if self.batch < 2:
            raise ConfigError(f"batch is {self.batch}; expected 2 or more (batch normalisation needs them)")
        if self.passes < 1:
            raise ConfigError(f"passes is {self.passes}; expected 1 or more")
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"learning_rate is {self.learning_rate}; expected a positive number")
        for name in ("l2_weight", "perceptual_weight", "identity_weight", "latent_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 (off) or more")
        if not 0 <= self.synthetic_share <= 1:
            raise ConfigError(f"synthetic_share is {self.synthetic_share}; expected a number in [0, 1]")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; expected 0 or more")

    @property
    def synthetic(self) -> int:
        """Number of generated faces in a batch."""
        return round(self.batch * self.synthetic_share)
