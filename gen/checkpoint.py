"""Checkpoint: one safetensors file with a network and everything that is needed to use and to cite it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from core import tensor_files
from core.errors import CheckpointError
from core.seen_images import UNKNOWN, SeenImages
from faces.image_set_request import Counts
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.imagesets import AgeStepTable
from gen.inference.generator import InferenceGenerator, describe_tensors
from gen.labels import Vocabulary

if TYPE_CHECKING:
    import torch

    from gen.networks import Discriminator, Generator

_CONFIGS: Final[Mapping[str, type[GeneratorConfig] | type[DiscriminatorConfig]]] = {
    "generator": GeneratorConfig,
    "discriminator": DiscriminatorConfig,
}


@dataclass(frozen=True)
class CheckpointInfo:
    """Information that a checkpoint holds beside its tensors.

    Args:
        network: "generator" or "discriminator".
        config: its configuration, the vocabulary included.
        origin: origin of the weights: data, training, date.
        licence: SPDX name or text of the licence of the weights.
        images_seen: real images shown to the discriminator in training; 0 if unknown.
        training_counts: training images by condition and age group; empty if unknown.
        age_steps: calibrated steps of age progressions (`gen.evaluation.age_calibration`); empty if not calibrated.
        tuning_limits: limits of the verdict on faces that pivotal tuning reproduced with it, as of
            `inversion.quality.QualityLimits.to_json`; None if not measured.
        seen: the first 16 hex digits of the keys (`faces.images.pixels_key`) of the images that it was trained on, as
            their data sets have them, including those of the networks that it started from; None if unknown.
        seen_complete: whether these are all such images.
        sha256: of the file.
    """

    network: str
    config: GeneratorConfig | DiscriminatorConfig
    origin: str
    licence: str
    sha256: str
    images_seen: int = 0
    training_counts: Counts = field(default_factory=dict)
    age_steps: AgeStepTable = field(default_factory=dict)
    tuning_limits: Mapping[str, Any] | None = None
    seen: frozenset[str] | None = None
    seen_complete: bool = False

    @property
    def seen_images(self) -> SeenImages:
        """The same as one value."""
        return SeenImages(self.seen or frozenset(), self.seen_complete)

    @property
    def vocabulary(self) -> Vocabulary | None:
        return self.config.vocabulary

    @property
    def header(self) -> dict[str, Any]:
        """Arguments of `save` that say the same of a network made from this one."""
        return {
            "origin": self.origin,
            "licence": self.licence,
            "images_seen": self.images_seen,
            "training_counts": self.training_counts,
            "age_steps": self.age_steps,
            "tuning_limits": self.tuning_limits,
            "seen": self.seen_images,
        }


def save(
    path: str | Path,
    net: Generator | Discriminator,
    *,
    origin: str = "",
    licence: str = "",
    images_seen: int = 0,
    training_counts: Counts | None = None,
    age_steps: AgeStepTable | None = None,
    tuning_limits: Mapping[str, Any] | None = None,
    seen: SeenImages = UNKNOWN,
) -> None:
    """Write a network; see CheckpointInfo for the arguments. The file appears whole or not at all."""
    header: dict[str, Any] = {
        "network": "generator" if isinstance(net.config, GeneratorConfig) else "discriminator",
        "config": net.config.to_json(),
        "origin": origin,
        "licence": licence,
        "images_seen": images_seen,
        "training_counts": {c: dict(ages) for c, ages in (training_counts or {}).items()},
    }
    if net.config.vocabulary is not None:
        header["identifiers"] = net.config.vocabulary.identifiers
    if age_steps:
        header["age_steps"] = {condition: list(steps) for condition, steps in age_steps.items()}
    if tuning_limits is not None:
        header["tuning_limits"] = dict(tuning_limits)
    if seen.known:
        header["seen"] = seen.to_json()
    tensor_files.write(Path(path), net.state_dict(), header)


def read_info(path: str | Path) -> CheckpointInfo:
    """Read the information in a checkpoint without loading the network.

    Raises:
        CheckpointError: no such file, a damaged one, or not a checkpoint.
    """
    return _info(Path(path), tensor_files.read_header(Path(path)))


def load(path: str | Path) -> Generator | Discriminator:
    """Load the network of a checkpoint, in evaluation mode, on the CPU.

    Raises:
        CheckpointError: no such file, a damaged one, not a checkpoint, or tensors that do not fit its configuration.
    """
    import torch

    from gen.networks import Discriminator, Generator
    from gen.strict_loading import check_fits

    tensors, header = tensor_files.read(Path(path))
    config = _config(Path(path), header)
    build = partial(Generator, config) if isinstance(config, GeneratorConfig) else partial(Discriminator, config)
    try:
        with torch.device("meta"):  # nothing is allocated for a configuration that does not fit
            check_fits(build(), tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten below
        net = build()
    net.load_state_dict(tensors)
    return net.eval().requires_grad_(False)


def load_generator(path: str | Path) -> Generator:
    """Load a checkpoint that must hold a generator, as `load` does.

    Raises:
        CheckpointError: as in `load`, or the file holds another network.
    """
    from gen.networks import Generator

    net = load(path)
    if not isinstance(net, Generator):
        raise CheckpointError(f"{path} holds a discriminator; expected a generator's checkpoint")
    return net


def load_arrays(path: str | Path) -> tuple[dict[str, npt.NDArray[np.float32]], GeneratorConfig]:
    """Load the tensors of a generator and its configuration, without PyTorch.

    Raises:
        CheckpointError: as `load_generator`.
    """
    arrays, header = tensor_files.read_arrays(Path(path))
    config = _config(Path(path), header)
    if not isinstance(config, GeneratorConfig):
        raise CheckpointError(f"{path} holds a discriminator; expected a generator's checkpoint")
    expected = describe_tensors(config)
    if wrong := [name for name, shape in expected.items() if name not in arrays or arrays[name].shape != shape]:
        got = arrays[wrong[0]].shape if wrong[0] in arrays else "missing"
        raise CheckpointError(f"{path}: {wrong[0]} is {got}; expected {expected[wrong[0]]}, as its configuration says")
    return {name: array.astype(np.float32, copy=False) for name, array in arrays.items()}, config


def load_for_inference(path: str | Path, threads: int | None = None) -> InferenceGenerator:
    """Load the generator of a checkpoint for inference on a CPU, without PyTorch.

    Args:
        threads: cores to use; None for all that the process may use.

    Raises:
        CheckpointError: as `load_generator`.
    """
    return InferenceGenerator(*load_arrays(path), threads)


def fingerprint(net: torch.nn.Module) -> str:
    """Compute a hex digest of a network's tensors, names and values; it does not depend on the file."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _info(path: Path, header: Mapping[str, Any]) -> CheckpointInfo:
    config = _config(path, header)
    with tensor_files.refuse_malformed_header(path, "a network's checkpoint"):
        seen = SeenImages.from_json(header.get("seen"))
        return CheckpointInfo(
            network=header["network"],
            config=config,
            origin=header["origin"],
            licence=header["licence"],
            sha256=tensor_files.sha256(path),
            images_seen=header["images_seen"],
            training_counts=header["training_counts"],
            age_steps={condition: tuple(steps) for condition, steps in header.get("age_steps", {}).items()},
            tuning_limits=header.get("tuning_limits"),
            seen=seen.keys if seen.known else None,
            seen_complete=seen.complete,
        )


def _config(path: Path, header: Mapping[str, Any]) -> GeneratorConfig | DiscriminatorConfig:
    network = str(header.get("network", "no network"))
    if network not in _CONFIGS:
        raise CheckpointError(f"{path} holds {network:.100}; expected a {' or a '.join(_CONFIGS)}")
    with tensor_files.refuse_malformed_header(path, "a network's checkpoint"):
        config = _CONFIGS[network].from_json(header["config"])
        if config.vocabulary is None or "identifiers" not in header:
            return config
        return replace(config, vocabulary=replace(config.vocabulary, stored_identifiers=header["identifiers"]))
