"""The folder of a training run: which process has it, what is saved in it, and how a stopped run finds its place again.

state.safetensors           everything needed to go on, written last: the run stands where this one says
log.jsonl                   a line for every report
samples/N-*.png             sheets after N images
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from torch import Tensor

from core import tensor_files
from core.atomic_files import write_file
from core.errors import ConfigError, TrainingError
from core.run_folders import flat, held
from faces.images import Pixels, encode_png

_LEFT_OVERS: Final = (".*.safetensors.*", ".log.jsonl.*", "kept/.*.safetensors.*", "samples/.*.png.*")
"""Files that were being written when a run was killed; nothing else in the folder is touched."""

_WHOLE: Final = ("vocabulary", "sampling")
"""Settings that are compared, and told of, as one."""


class Resumable(Protocol):
    """What trains, and can go on in another process."""

    @property
    def images_seen(self) -> int: ...

    def settings(self) -> dict[str, Any]:
        """What a resumed run must have in common with the stopped one, JSON-able; the recipe is under "training"."""

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None: ...


class Folder:
    """One run's files. Everything in it appears whole or not at all; see the module for what there is.

    Args:
        path: made if it is not there.
    """

    fixed: ClassVar[tuple[str, ...]]
    """Settings that a run cannot change once begun: its tensors, and what an iteration means."""

    begin_anew: ClassVar[str]
    """How a new run begins from the results of one that cannot go on, as the command line says it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state.safetensors"
        self.log = path / "log.jsonl"
        self.samples = path / "samples"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the folder for this process, as long as it lives, and clear what a killed one left half-written.

        Raises:
            ConfigError: another process trains in it.
        """
        with held(self.path, _LEFT_OVERS, self.writing):
            yield

    def images_seen(self) -> int | None:
        """Where the run stands; None for a new one."""
        return int(self._header()["images_seen"]) if self.state.exists() else None

    def precision(self) -> str | None:
        """In which the run here computes; None for a new one."""
        return str(self._header()["settings"]["training"]["precision"]) if self.state.exists() else None

    def changes(self, settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Settings by name that differ from those of the stopped run: theirs, and these."""
        stored = flat(self._header()["settings"], _WHOLE)
        wanted = flat(settings, _WHOLE)
        return {
            name: (stored.get(name), wanted.get(name))
            for name in sorted(stored.keys() | wanted.keys())
            if stored.get(name) != wanted.get(name)
        }

    def check(self, trainer: Resumable, *, change: bool) -> None:
        """Whether a trainer can go on with the run that is here, if there is one.

        Args:
            change: the recipe or the data may differ from the stopped run's; networks and batch never may.

        Raises:
            ConfigError: other settings.
        """
        if not self.state.exists():
            return
        changes = self.changes(trainer.settings())
        fixed = [name for name in changes if name.startswith(self.fixed)]
        if changes and (fixed or not change):
            told = "; ".join(f"{name} was {was!r} and is {now!r}" for name, (was, now) in changes.items())
            remedy = "" if fixed else ", or --change to go on with the new ones"
            raise ConfigError(
                f"{self.path} holds a run with other settings: {told}. "
                f"Use the same ones to resume it{remedy}, or another --out"
            )

    def resume(self, trainer: Resumable, *, change: bool) -> None:
        """Bring a trainer to where the run stands; raises as `check`."""
        self.check(trainer, change=change)
        trainer.load_state_dict(tensor_files.read(self.state)[0])

    def save_state(self, trainer: Resumable) -> None:
        """Write the state, the last file of a snapshot."""
        header = {"images_seen": trainer.images_seen, "settings": trainer.settings()}
        tensor_files.write(self.state, trainer.state_dict(), header)

    def save_sheet(self, name: str, images_seen: int, sheet: Pixels) -> None:
        """Write a sheet as PNG."""
        with self.writing():
            write_file(self.samples / f"{images_seen:09d}-{name}.png", encode_png(sheet))

    def _header(self) -> dict[str, Any]:
        header = tensor_files.read_header(self.state)
        if not {"images_seen", "settings"} <= header.keys():
            raise ConfigError(
                f"{self.state} was written by another version; "
                f"begin a new run in another --out, {self.begin_anew.format(path=self.path)}"
            )
        return header

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Tell of a disk that is full, or otherwise refuses, as a person can act on it."""
        try:
            yield
        except OSError as error:
            stands = self.images_seen()
            left = "no snapshot was saved yet" if stands is None else f"the snapshot after {stands} images is intact"
            raise TrainingError(
                f"cannot write {error.filename or self.path} ({error.strerror or error}); {left}: "
                "make room or correct the rights, then give the same command again"
            ) from error
