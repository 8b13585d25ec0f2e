"""The model of the service: a conditional StyleGAN2 checkpoint and the image sets it can make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

import weights
from api.model import AgeRange, ModelInfo, Pixels, Plan, Row
from api.settings import Settings
from faces.errors import CheckpointError, ConfigError, RequestError
from gen import checkpoint, imagesets
from gen.labels import Vocabulary
from gen.sampler import Sampler


def load(settings: Settings) -> GeneratorModel:
    """The model that the settings name.

    Raises:
        ConfigError: a device that is not there.
        CheckpointError: no such file, a damaged one, or one without labels.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    return GeneratorModel(settings.weights or weights.default(), settings.device)


class GeneratorModel:
    """A checkpoint as the service sees it.

    Args:
        path: of a generator's checkpoint with a vocabulary.
        device: that renders.

    Raises:
        CheckpointError: as in `load`.
    """

    def __init__(self, path: Path, device: str = "cpu") -> None:
        about = checkpoint.read_info(path)
        if about.vocabulary is None:
            raise CheckpointError(f"{path} has no label vocabulary; expected the weights of a conditional generator")
        self._vocabulary: Vocabulary = about.vocabulary
        try:
            self._generator = checkpoint.load_generator(path).to(device)
        except (RuntimeError, AssertionError) as error:  # PyTorch asserts that it was built for the device
            reason = str(error).splitlines()[0]
            raise ConfigError(
                f"device {device!r} cannot be used: {reason}; expected cpu, or cuda with a GPU"
            ) from error
        self._samplers: dict[str, Sampler] = {}
        self._info = ModelInfo(
            weights_sha256=about.sha256,
            resolution=about.config.resolution,
            conditions=self._vocabulary.conditions,
            ages=tuple(
                AgeRange(a.name, a.from_years, None if math.isinf(a.to_years) else a.to_years)
                for a in self._vocabulary.ages
            ),
            origin=about.origin,
            licence=about.licence,
            images_seen=about.images_seen or None,
            training_counts=about.training_counts,
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

    def plan(self, asked: Mapping[str, Any], max_images: int) -> Plan:
        """See api.model.Model."""
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in asked.items()}
        request = imagesets.ImageSetRequest(**given)
        counts = self._info.training_counts
        resolved = request.resolved(self._vocabulary, counts, self._info.weights_sha256)
        images = self._images(request.with_defaults(self._vocabulary))
        if images > max_images:
            raise RequestError(
                "seeds" if request.seeds else "count",
                f"the set would have {images} images; a set has at most {max_images}: ask for several",
            )
        rows = imagesets.expand(request, self._vocabulary, counts)
        return Plan(imagesets.set_id(resolved), dict(asked), resolved, rows, request)

    def render(self, plan: Plan, rows: Sequence[Row]) -> Pixels:
        """See api.model.Model."""
        request = cast(imagesets.ImageSetRequest, plan.request)
        sampler = self._samplers.setdefault(request.precision, Sampler(self._generator, precision=request.precision))
        images: Pixels = sampler.render(cast(Sequence[imagesets.Row], rows), request)
        return images

    def _images(self, request: imagesets.ImageSetRequest) -> int:
        """How many rows a request with defaults will have, without making them."""
        if request.kind == "unrelated" and request.seeds:
            return len(request.seeds)
        images = 0
        for condition in request.conditions or ():
            counts = self._info.training_counts
            persons = len(request.seeds or ()) or request.count_of(condition, self._vocabulary, counts)
            partners = sum(partner != condition for partner in request.partners or ()) if request.partners else 1
            images += persons * len(request.ages or ()) * partners
        return images
