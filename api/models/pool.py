"""Pool of generators: which ones a service has, by name, and which are in memory, within a bound."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from api.models.checkpoint_files import ModelFolder, find_checkpoints, fixed_checkpoints
from api.models.model import Model, ModelInfo, Pixels
from api.settings import Settings
from core.errors import ConfigError, RequestError

LOOK_S: Final = 1.0
"""Seconds for which the folder of models is not looked at again."""

_PROBE_LIMIT: Final = 1_000
"""Most images in the set to which the image of `Models.render_probe` belongs."""

_OLD_DEFAULT_NAME: Final = "generator"
"""Name that earlier versions gave the checkpoint of any training run; it stands for the default."""


class Models:
    """Generators of a service.

    Any thread may use it. A generator that releases its weights stays usable by who has it.

    Args:
        models: generators that are always served, by name; the first is the default.
        most_bytes: bound of the weights in memory; one generator may always be.
        look: returns further generators by name; it is called again while the service runs.
        clock: seconds, counted from any moment.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        most_bytes: int = 2 << 30,
        look: Callable[[], Mapping[str, Model]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not models:
            raise ConfigError("no generator to serve; name a checkpoint, or a folder with some")
        self._fixed = dict(models)
        self._all = self._fixed
        self._look = look
        self._clock = clock
        self._looked_s = -math.inf
        self._looking = threading.Lock()
        self._most_bytes = most_bytes
        self._in_memory: OrderedDict[str, Model] = OrderedDict()
        self._using = threading.Lock()

    @property
    def default(self) -> Model:
        """The generator for requests that name none."""
        return next(iter(self._fixed.values()))

    @property
    def infos(self) -> list[ModelInfo]:
        """Descriptions of all generators, the default first."""
        return [model.info for model in self._current().values()]

    def find(self, name: str | None) -> Model:
        """Return a generator by its name; None is the default.

        Raises:
            RequestError: there is none of that name.
        """
        if name is None:
            return self.default
        for models in (self._current(), self._current(at_once=True)):
            if name in models:
                return models[name]
        if name == _OLD_DEFAULT_NAME:
            return self.default
        raise RequestError("model", f"unknown {name!r}; expected one of {', '.join(models)}")

    def find_by_weights(self, sha256: str) -> Model | None:
        """Return the generator with these weights, if it is served."""
        for models in (self._current(), self._current(at_once=True)):
            for model in models.values():
                if model.info.weights_sha256 == sha256:
                    return model
        return None

    def is_loaded(self, name: str) -> bool:
        """Whether the weights of a generator are in memory, or about to be."""
        return name in self._in_memory

    def use(self, name: str) -> Model:
        """Return a generator that is about to render. Those unused for longest release their weights if it needs room.

        Raises:
            RequestError: there is none of that name.
        """
        model = self.find(name)
        name = model.info.name
        with self._using:
            for other, loaded in list(self._in_memory.items()):
                if self._all.get(other) is not loaded:  # its file is gone or was replaced
                    self._in_memory.pop(other).release()
            self._in_memory[name] = model
            self._in_memory.move_to_end(name)
            while (
                len(self._in_memory) > 1 and sum(one.size_bytes for one in self._in_memory.values()) > self._most_bytes
            ):
                self._in_memory.popitem(last=False)[1].release()
        return model

    def render_probe(self) -> Pixels:
        """Render one image with the default generator, as uint8 (1, h, w, 3); its weights are in memory afterwards."""
        model = self.use(self.default.info.name)
        asked = {"kind": "age_progression", "seed": 1, "count": 1, "conditions": [model.info.conditions[0]]}
        plan = model.plan(asked, _PROBE_LIMIT)
        return model.render(plan, plan.rows[:1])

    def _current(self, *, at_once: bool = False) -> Mapping[str, Model]:
        """Return all generators, after a look for new ones if the last look is LOOK_S ago.

        Args:
            at_once: look now, however short ago the last look was; wait for a look that is going on.
        """
        if self._look is None or not (at_once or self._clock() - self._looked_s >= LOOK_S):
            return self._all
        if self._looking.acquire(blocking=at_once):  # else another thread looks
            try:
                self._all = self._fixed | dict(self._look())
                self._looked_s = self._clock()
            finally:
                self._looking.release()
        return self._all


def open_models(settings: Settings) -> Models:
    """Open the generators that the settings name.

    Raises:
        ConfigError: the folder of models does not exist, two files have one name, or the device cannot be used.
        ConfigError: the network in the folder of judges is missing or damaged.
        CheckpointError: a checkpoint that is served by itself is missing, damaged, or has no labels.
    """
    from api.models.generator import GeneratorModel, load_detector  # OpenVINO, which takes a while to import
    from faces.measures.face_api import load_expression_network

    detector = cache(load_detector)
    if settings.judges is not None:
        load_expression_network(settings.judges)  # refuses at the start what would fail with the first photograph

    def open_model(path: Path, name: str) -> Model:
        threads, judges, key = settings.threads, settings.judges, settings.people_key
        return GeneratorModel(path, settings.device, name, detector, threads, judges, people_key=key)

    fixed = fixed_checkpoints(settings)
    find_checkpoints(settings)  # refuses what the service would only log
    models = {name: open_model(path, name) for name, path in fixed.items()}
    if settings.models is None:
        return Models(models, settings.model_memory_mb << 20)
    folder = ModelFolder(settings.models, fixed, open_model)
    folder.look(settle_s=0)
    return Models(models, settings.model_memory_mb << 20, folder.look)
