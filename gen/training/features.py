"""Training of the discriminator on face features, beside the one of StyleGAN2."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from core.errors import ConfigError
from faces.measures.judges import VARIABLE
from gen.face_features.feature_discriminator import FeatureDiscriminator, feature_loss, hinge_loss
from gen.face_features.recognition_network import load_recognition_network
from gen.training.data import TrainingImages
from gen.training.distributed import Processes
from gen.training.inputs import BatchShare
from gen.training.optimizer import Optimizer, freeze
from gen.training.recipe import TRAINING_DTYPES, TrainingConfig

_FILE: Final = "face_recognition_model.bin"

_STANDARDISED_BY: Final = 64
"""Number of random training images whose feature maps set the scale of the channels."""

_PACE: Final = 1 / 3
"""Learning rate of the heads as a share of the networks'."""


class FeatureTraining:
    """The discriminator on face features and its optimiser.

    Args:
        config: the recipe, with the file of the network.
        data: training images.
        device: device of the networks.
        processes: processes that train together.

    Raises:
        ConfigError: the file of the network is not named, missing or damaged.
    """

    def __init__(
        self, config: TrainingConfig, data: TrainingImages, device: torch.device, processes: Processes
    ) -> None:
        network = load_recognition_network(_find_network(config))
        drawn = torch.randperm(len(data.images), generator=torch.Generator().manual_seed(config.seed))
        images = data.images[drawn[:_STANDARDISED_BY]].float() / 127.5 - 1
        self._discriminator = FeatureDiscriminator(network, images, TRAINING_DTYPES[config.precision]).to(device)
        self._optimizer = Optimizer(
            self._discriminator.heads,
            config.learning_rate * _PACE,
            0,
            scaled=config.precision == "float16",
            processes=processes,
        )

    def judge(self, images: Tensor, share: BatchShare) -> Tensor:
        """Compute the generator's loss on generated images."""
        with freeze(self._discriminator.heads):
            return feature_loss(self._discriminator(images, share.augmentation()))

    def step(self, reals: Tensor, fakes: Tensor, share: BatchShare) -> Tensor:
        """Let the heads learn from real and generated images, and return their loss."""
        with torch.no_grad():
            real, fake = (self._discriminator.project(images, share.augmentation()) for images in (reals, fakes))
        loss = hinge_loss(self._discriminator.judge(real), self._discriminator.judge(fake))
        self._optimizer.step(loss)
        return loss

    def state_dict(self) -> dict[str, Tensor]:
        """Return the heads, the fixed mixing and the moments by name; the face network is not among them."""
        moments = self._optimizer.state_dict()
        return self._discriminator.state_dict() | {f"optimizer.{name}": value for name, value in moments.items()}

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a state. One without features, of a run that goes on with them, leaves the heads new."""
        if not tensors:
            return
        moments = {name: value for name, value in tensors.items() if name.startswith("optimizer.")}
        self._discriminator.load_state_dict({name: tensors[name] for name in tensors.keys() - moments.keys()})
        self._optimizer.load_state_dict({name.removeprefix("optimizer."): value for name, value in moments.items()})


def _find_network(config: TrainingConfig) -> Path:
    if config.feature_network is not None:
        return Path(config.feature_network)
    if VARIABLE not in os.environ:
        raise ConfigError(
            f"feature_weight is {config.feature_weight:g} and no network is named; give the file {_FILE} of face-api "
            f"in feature_network, or its folder in {VARIABLE}"
        )
    return Path(os.environ[VARIABLE]) / _FILE
