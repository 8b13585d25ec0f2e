"""The generators that a service has, by name: loaded when they are used, within a bound of memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

import weights
from api.models.model import Model, ModelInfo
from api.settings import Settings
from core.errors import ConfigError, RequestError

_PARTS: Final = ("-inverter", "-directions", "-discriminator")
"""Ends of the names of files that belong to a generator and are none."""


class Models:
    """The generators of a service.

    Describing and planning need no weights and may run in any thread; `using` belongs to the thread that renders.

    Args:
        models: by name; the first is the one for requests that name none.
        most_bytes: of weights in memory; one generator may always be.
    """

    def __init__(self, models: Mapping[str, Model], most_bytes: int = 2 << 30) -> None:
        if not models:
            raise ConfigError("no generator to serve; name a checkpoint, or a folder with some")
        self._models = dict(models)
        self._most_bytes = most_bytes
        self._loaded: OrderedDict[str, Model] = OrderedDict()

    @property
    def default(self) -> Model:
        return next(iter(self._models.values()))

    @property
    def infos(self) -> list[ModelInfo]:
        """What is known of each, the default first."""
        return [model.info for model in self._models.values()]

    def named(self, name: str | None) -> Model:
        """A generator by its name; None is the default.

        Raises:
            RequestError: there is none of that name.
        """
        if name is None:
            return self.default
        if name not in self._models:
            raise RequestError("model", f"unknown {name!r}; expected one of {', '.join(self._models)}")
        return self._models[name]

    def of_weights(self, sha256: str) -> Model | None:
        """The generator of these weights, if it is served."""
        return next((model for model in self._models.values() if model.info.weights_sha256 == sha256), None)

    def loaded(self, name: str) -> bool:
        """Whether the weights of a generator are in memory, or about to be."""
        return name in self._loaded

    def using(self, name: str) -> Model:
        """A generator that is about to render; those unused for longest let go of their weights if it needs the room.

        Raises:
            RequestError: there is none of that name.
        """
        model = self.named(name)
        self._loaded[name] = model
        self._loaded.move_to_end(name)
        while len(self._loaded) > 1 and sum(one.size_bytes for one in self._loaded.values()) > self._most_bytes:
            self._loaded.popitem(last=False)[1].release()
        return model


def checkpoints(settings: Settings) -> dict[str, Path]:
    """The files of the generators to serve by their names, the default first: the one that is named, those of the
    folder that is named; without either, those that are shipped.

    Raises:
        ConfigError: no such folder, none in it, or two of one name.
        CheckpointError: a shipped one is damaged.
    """
    if settings.weights is None and settings.models is None:
        return {Path(name).stem: weights.shipped(name) for name in weights.GENERATORS}
    named = [] if settings.weights is None else [settings.weights]
    if settings.models is not None:
        if not settings.models.is_dir():
            raise ConfigError(f"{settings.models} is no folder; expected one with checkpoints (.safetensors)")
        named += sorted(path for path in settings.models.glob("*.safetensors") if not path.stem.endswith(_PARTS))
    found: dict[str, Path] = {}
    for path in named:
        if (other := found.setdefault(path.stem, path)).resolve() != path.resolve():
            raise ConfigError(f"{path} and {other} would both be served as {path.stem!r}; rename one")
    if not found:
        raise ConfigError(
            f"there is no checkpoint (.safetensors) in {settings.models}; bring one, or name another folder"
        )
    return found


def open_models(settings: Settings) -> Models:
    """The generators of the settings.

    Raises:
        ConfigError: as `checkpoints`, or a device that is not there.
        CheckpointError: a file that is missing, damaged, or has no labels.
    """
    from api.models.generator import (  # PyTorch, in the worker's thread: the service answers at once
        GeneratorModel,
        prepare,
    )
    from faces.detect import FaceDetector

    prepare(settings)
    detector = cache(FaceDetector)
    made: dict[str, Model] = {
        name: GeneratorModel(path, settings.device, name, detector) for name, path in checkpoints(settings).items()
    }
    return Models(made, settings.model_memory_mb << 20)
