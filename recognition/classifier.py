"""A trained classifier and its file, which holds weights, classes, settings, and a record of the training images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core import tensor_files
from core.errors import CheckpointError
from core.precision import Precision, autocast_to
from recognition.config import ClassifierTrainingConfig
from recognition.images.image_stack import Stack, stack_images, to_network_input
from recognition.images.leakage import TrainingRecord
from recognition.images.samples import Samples
from recognition.networks.architectures import Network, build

FILE: Final = "classifier.safetensors"

CLASSIFIER: Final = "classifier"
"""Name of the record of images that a classifier itself saw, beside those of its generators."""

_KIND: Final = "classifier"
_BATCH: Final = 128


@dataclass(frozen=True)
class Classifier:
    """Network that tells conditions from faces. What it predicts for a real person is no basis for a diagnosis.

    Attributes:
        network: in evaluation mode.
        classes: names, in the order of the probabilities.
        config: how it was trained.
        seen: record of all images that it was trained on or that chose its epoch, synthetic ones included, and of
            those that their generators were trained on, as far as it is known.
        precision: precision of the training and of predictions.
        about: epoch, figures of the validation part, digest of the backbone, and notes of the run.
    """

    network: Network
    classes: tuple[str, ...]
    config: ClassifierTrainingConfig
    seen: TrainingRecord
    precision: Precision = "float32"
    about: Mapping[str, Any] = field(default_factory=dict)

    def predict_probabilities(self, samples: Samples, device: torch.device | str = "cpu") -> npt.NDArray[np.float64]:
        """Compute probabilities (n, classes) float64 for n faces.

        Whether the faces were seen in training is not checked here; `Ensemble.predict` checks it.
        """
        stack = stack_images(samples, self.config.size)
        logits = compute_logits(self.network.to(torch.device(device)), stack, self.precision)
        return np.asarray(logits.double().softmax(dim=1).numpy(), dtype=np.float64)

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        header = {
            "kind": _KIND,
            "classes": list(self.classes),
            "config": self.config.to_json(),
            "precision": self.precision,
            "seen": self.seen.to_json(),
            "about": dict(self.about),
        }
        tensor_files.write(path, self.network.state_dict(), header)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the file that `save` wrote.

        Raises:
            CheckpointError: no such file, a damaged one, or weights of something else.
            ConfigError: trained in a way that is unknown here.
        """
        tensors, header = tensor_files.read(path)
        if header.get("kind") != _KIND:
            raise CheckpointError(f"{path} is not a classifier; expected {FILE} of a `gestaltgen classify train` run")
        try:
            config = ClassifierTrainingConfig.from_json(header["config"])
            classes = tuple(header["classes"])
            network = build_network(config, len(classes))
            network.load_state_dict(tensors)
            seen = TrainingRecord.from_json(header["seen"])
            return cls(network.eval(), classes, config, seen, header["precision"], header["about"])
        except (KeyError, RuntimeError) as error:
            raise CheckpointError(f"{path} does not hold what its header says ({error}); train again") from error


def build_network(config: ClassifierTrainingConfig, classes: int) -> Network:
    """Build the network that a configuration describes, with fresh weights; raises as `architectures.build`."""
    return build(
        config.network,
        classes,
        config.size,
        dropout=config.dropout,
        dropout_passes=config.dropout_passes,
        pretraining=config.pretraining,
        seed=config.seed,
    )


def compute_logits(network: Network, stack: Stack, precision: Precision) -> Tensor:
    """Compute logits (n, classes) float32 on the CPU, in evaluation mode; the mode of the network is restored."""
    device, training = network.mean.device, network.training
    network.eval()
    with torch.inference_mode(), autocast_to(precision, device):
        parts = [
            network(to_network_input(pixels.to(device))).float().cpu() for pixels in torch.split(stack.pixels, _BATCH)
        ]
    network.train(training)
    return torch.cat(parts)
