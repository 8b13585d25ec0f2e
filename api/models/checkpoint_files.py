"""Checkpoint files that a service serves, and the names under which it serves them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Final, TypeAlias

import weights
from api.models.model import Model
from api.models.training_people import find_place
from api.settings import Settings
from core.errors import ConfigError, GestaltError

SETTLE_S: Final = 2.0
"""A new file is read once it has not changed for so long, or between two looks: it may still be written."""

_RUN: Final = "generator"
"""Name of the checkpoint of a training run, which is served under the name of its folder."""

_COMPANIONS: Final = ("-inverter", "-directions", "-discriminator")
"""Ends of the names of files that belong to a generator."""

_OTHER_FILES: Final = frozenset({"discriminator", "state"})
"""Names of the other files of a training run."""

_Version: TypeAlias = tuple[int, ...]

_log = logging.getLogger("gestaltgen.models")


def model_name(path: Path) -> str:
    """Return the name under which a checkpoint is served: its file's, or for RUN/generator.safetensors its folder's."""
    return path.resolve().parent.name if path.stem == _RUN else path.stem


def fixed_checkpoints(settings: Settings) -> dict[str, Path]:
    """Return the checkpoints that are served whatever lies in the folder of models, the default first.

    Raises:
        CheckpointError: a shipped file is damaged.
    """
    if settings.weights is not None:
        return {model_name(settings.weights): settings.weights}
    return {Path(name).stem: weights.find_file(name) for name in weights.GENERATORS}


def find_checkpoints(settings: Settings) -> dict[str, Path]:
    """Return all checkpoints to serve by their names, the default first.

    Raises:
        ConfigError: the folder of models does not exist, or two files would have one name.
        CheckpointError: a shipped file is damaged.
    """
    found = fixed_checkpoints(settings)
    for path in [] if settings.models is None else list_folder(settings.models):
        other = found.setdefault(model_name(path), path)
        if not _is_same(path, other):
            raise ConfigError(f"{path} and {other} would both be served as {model_name(path)!r}; rename one")
    return found


def list_folder(folder: Path) -> list[Path]:
    """Return the generator checkpoints in a folder: NAME.safetensors and NAME/generator.safetensors.

    Raises:
        ConfigError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; expected one with checkpoints (.safetensors)")
    return [*_files_in(folder), *sorted(folder.glob(f"*/{_RUN}.safetensors"))]


def _files_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob("[!.]*.safetensors")):
        if not path.stem.endswith(_COMPANIONS) and path.stem not in _OTHER_FILES:
            yield path


def _is_same(path: Path, other: Path) -> bool:
    """Whether two paths are one file, or one is a copy of a shipped file."""
    if path.resolve() == other.resolve():
        return True
    shipped = other.name in weights.GENERATORS and other == weights.find_file(other.name)
    return shipped and path.stat().st_size == other.stat().st_size and path.read_bytes() == other.read_bytes()


class ModelFolder:
    """Folder of generators that is looked at again while the service runs. Not thread-safe.

    Files that cannot be read are logged and left out until they change: a file may still be being written.

    Args:
        path: the folder.
        fixed: checkpoints that are served anyway, by name; no file of the folder can take their names.
        open_model: opens a checkpoint under a name.
    """

    def __init__(self, path: Path, fixed: dict[str, Path], open_model: Callable[[Path, str], Model]) -> None:
        self._path = path
        self._fixed = fixed
        self._open_model = open_model
        self._models: dict[str, tuple[Path, _Version, Model]] = {}
        self._seen: dict[Path, _Version] = {}
        self._left_out: dict[Path, _Version] = {}

    def look(self, *, settle_s: float = SETTLE_S) -> dict[str, Model]:
        """Look at the folder and return its generators by name.

        Args:
            settle_s: age that a file needs if it is new since the last look.
        """
        try:
            paths = list_folder(self._path)
        except ConfigError as error:
            _log.warning("the generators in it are not served: %s", error)
            paths = []
        before, self._models = self._models, {}
        seen, self._seen = self._seen, {}
        for path in paths:
            version, name = _read_version(path), model_name(path)
            if version is None:
                continue
            self._seen[path] = version
            known = before.get(name)
            if known is not None and known[:2] == (path, version):
                self._models[name] = known
            elif self._left_out.get(path) != version and (seen.get(path) == version or _age_s(version) >= settle_s):
                self._add(path, version, name, {**self._fixed, **{name: one[0] for name, one in self._models.items()}})
        self._report_changes(before.keys())
        return {name: model for name, (_, _, model) in self._models.items()}

    def _add(self, path: Path, version: _Version, name: str, taken: dict[str, Path]) -> None:
        try:
            if name in taken:
                if not _is_same(path, taken[name]):
                    raise ConfigError(f"{taken[name]} is served as {name!r} already; rename one")
            else:
                self._models[name] = path, version, self._open_model(path, name)
                return
        except (GestaltError, OSError) as error:
            _log.warning("%s is not served: %s", path, error)
        self._left_out[path] = version

    def _report_changes(self, before: Collection[str]) -> None:
        for name in sorted(self._models.keys() - before):
            _log.info("generator %s is served, from %s", name, self._models[name][0])
        for name in sorted(before - self._models.keys()):
            _log.info("generator %s is not served any more: its file is gone or changed", name)


def _read_version(path: Path) -> _Version | None:
    """Return what changes whenever a checkpoint or the descriptors of its training people do; None if it is gone."""
    try:
        files = [path.stat(), *(people.stat() for people in [find_place(path)] if people.is_file())]
    except OSError:
        return None
    return tuple(number for stat in files for number in (stat.st_ino, stat.st_size, stat.st_mtime_ns))


def _age_s(version: _Version) -> float:
    return time.time() - version[2] / 1e9
