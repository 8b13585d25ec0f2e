"""Recipe of a training: one frozen value, checked on construction and stored with every run."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
import torch.nn.functional as F

from core.errors import ConfigError
from core.precision import PRECISIONS, dtype_of
from gen.augment import PRESETS as AUGMENTATIONS
from gen.augmentation.ada import AdaConfig

TrainingPrecision: TypeAlias = Literal["float32", "bfloat16", "float16"]

TRAINING_DTYPES: Final[Mapping[str, torch.dtype]] = {
    **{name: dtype_of(name) for name in PRECISIONS},
    "float16": torch.float16,
}
"""Precisions of the convolutions in training. float16 needs a GPU and scales its losses."""


@dataclass(frozen=True)
class TrainingConfig:
    """Recipe of a training.

    Args:
        batch: images a step, over all processes.
        learning_rate: learning rate of Adam, for both networks; betas are (0, 0.99).
        r1_gamma: weight of the R1 penalty; higher for few or large images.
        r1_interval: steps between two penalties (lazy regularisation, Karras et al. 2020); 0 for none.
        path_length_weight: weight of the path-length penalty of the generator; 0 for none.
        path_length_decay: how fast its target follows the mean length.
        path_length_shrink: the penalty looks at batch / this images.
        path_length_interval: steps between two of these penalties; 0 for none.
        style_mixing: probability that an image takes a second random vector from a random layer on.
        ema_halflife_images: half-life of the generator's running average.
        ema_rampup: the half-life is at most this share of the images seen; 0 for no ramp-up.
        mirror: show every image also flipped.
        augment: set of augmentations through which the discriminator sees its images; None for none.
        augment_p: probability of each; with `ada`, the first value.
        ada: how augment_p follows the discriminator's overfitting; None keeps it fixed.
        generator_waits_images: number of images during which the generator does not change, so that a new discriminator
            can catch up with a fine-tuned generator.
        classifier_weight: weight of the auxiliary classification (Odena et al. 2017); 0 for none.
        condition_loss_weight: weight of a loss on the conditions of generated images, which is handed to the trainer
            (`gen.training.losses.ConditionLoss`); 0 for none, as published.
        identity_weight: weight of reading the identity from an image, and of keeping the person of a random vector the
            same for every label (`gen.training.losses.identity_shift`); 0 for none, as published.
        feature_weight: weight of a second discriminator, on features of a face network (`gen.face_features`); 0 for
            none, as published for StyleGAN2-ADA.
        feature_network: file `face_recognition_model.bin` of face-api for it; None takes it from GESTALTGEN_JUDGES.
        sampling: shares of the shown images: a rule of gen.training.batches.RULES, or shares by name.
        precision: precision of the convolutions.
        seed: seed of all random numbers.

    Raises ConfigError for values that are not valid.
    """

    batch: int = 16
    learning_rate: float = 0.0025
    r1_gamma: float = 0.05
    r1_interval: int = 16
    path_length_weight: float = 2.0
    path_length_decay: float = 0.01
    path_length_shrink: int = 2
    path_length_interval: int = 4
    style_mixing: float = 0.9
    ema_halflife_images: float = 10_000
    ema_rampup: float = 0.05
    mirror: bool = True
    augment: str | None = None
    augment_p: float = 0.0
    ada: AdaConfig | None = None
    generator_waits_images: int = 0
    classifier_weight: float = 0.0
    condition_loss_weight: float = 0.0
    identity_weight: float = 0.0
    feature_weight: float = 0.0
    feature_network: str | None = None
    sampling: str | Mapping[str, float] = "shuffled"
    precision: TrainingPrecision = "bfloat16"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 2:
            raise ConfigError(f"batch is {self.batch}; expected 2 or more (images are compared within it)")
        for name in ("r1_interval", "path_length_interval", "generator_waits_images", "seed"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more")
        for name in ("learning_rate", "ema_halflife_images"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a positive number")
        weights = ("r1_gamma", "path_length_weight", "classifier_weight", "condition_loss_weight")
        for name in (*weights, "identity_weight", "feature_weight", "ema_rampup"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 (off) or more")
        for name in ("style_mixing", "augment_p", "path_length_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a number in [0, 1]")
        if not 1 <= self.path_length_shrink <= self.batch or self.batch % self.path_length_shrink:
            raise ConfigError(f"path_length_shrink is {self.path_length_shrink}; expected a divisor of the batch")
        if self.augment is not None and self.augment not in AUGMENTATIONS:
            raise ConfigError(f"augment is {self.augment!r}; expected one of {', '.join(AUGMENTATIONS)}, or None")
        if self.augment is None and (self.ada is not None or self.augment_p):
            raise ConfigError("ada or augment_p without augmentations; name a set of them in augment, as 'bgc'")
        if self.precision not in TRAINING_DTYPES:
            raise ConfigError(f"precision is {self.precision!r}; expected one of {', '.join(TRAINING_DTYPES)}")

    @property
    def penalises_paths(self) -> bool:
        return self.path_length_weight > 0 and self.path_length_interval > 0

    @property
    def penalises_gradients(self) -> bool:
        return self.r1_gamma > 0 and self.r1_interval > 0

    def ema_beta(self, images_seen: int) -> float:
        """Compute the weight of the running average against the newest weights, after this number of images."""
        halflife = self.ema_halflife_images
        if self.ema_rampup:
            halflife = min(halflife, self.ema_rampup * images_seen)
        return math.exp2(-self.batch / max(halflife, 1e-8))


def fastest_precision(device: torch.device) -> TrainingPrecision:
    """Return the precision in which a device trains fastest.

    Processors with vector instructions for bfloat16 but no matrix units differ, so this function measures it there, in
    less than a second. Those with neither compute in bfloat16 by conversion, several times slower than in float32.
    """
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if torch.cpu._is_amx_tile_supported():
        return "bfloat16"
    tried = torch.cpu._is_avx512_bf16_supported()
    return "bfloat16" if tried and _faster_in_bfloat16() else "float32"


def _faster_in_bfloat16() -> bool:
    """Compare the best of several alternating timings of a typical convolution."""
    seconds = {torch.float32: math.inf, torch.bfloat16: math.inf}
    for dtype in [*seconds] * 6:
        x = torch.ones(16, 64, 32, 32, dtype=dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
        kernel = torch.ones(64, 64, 3, 3, dtype=dtype, requires_grad=True)
        began = time.perf_counter()
        torch.autograd.backward(F.conv2d(x, kernel, padding=1), x.detach())
        seconds[dtype] = min(seconds[dtype], time.perf_counter() - began)
    return seconds[torch.bfloat16] < seconds[torch.float32]
