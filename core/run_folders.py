"""Folders of training runs: a lock for one process, the saved state, and settings that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from core import tensor_files
from core.atomic_files import write_file
from core.errors import ConfigError, TrainingError
from core.file_lock import lock_file

if TYPE_CHECKING:
    from torch import Tensor

_LEFT_OVERS: Final = (".*.safetensors.*", ".log.jsonl.*", "kept/.*.safetensors.*", "samples/.*.png.*")
"""Files that were being written when a run was killed; nothing else in the folder is touched."""

_WHOLE: Final = ("vocabulary", "sampling")
"""Settings that are compared, and reported, as one value."""


class Resumable(Protocol):
    """Trainer whose state can be saved and restored in another process."""

    @property
    def images_seen(self) -> int: ...

    def settings(self) -> dict[str, Any]:
        """Return the settings that a resumed run must share with the stopped one, JSON-able; the recipe is under
        "training"."""

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None: ...


class TrainingFolder:
    """Folder of one training run; base of those of generators and inverters. Each file appears whole or not at all.

    state.safetensors           everything needed to go on, written last: the run stands where this one says
    log.jsonl                   a line for every report
    samples/N-*.png             contact sheets after N images

    Args:
        path: the folder, which is created if it does not exist.
    """

    fixed: ClassVar[tuple[str, ...]]
    """Settings that a run cannot change once begun, since its tensors or the meaning of an iteration depend on them."""

    begin_anew: ClassVar[str]
    """Command-line option by which a new run begins from the results of one that cannot go on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state.safetensors"
        self.log = path / "log.jsonl"
        self.samples = path / "samples"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder for this process, and delete what a killed one left half-written.

        Raises:
            ConfigError: another process trains in it.
        """
        with lock_run_folder(self.path, _LEFT_OVERS, self.explain_write_errors):
            yield

    def images_seen(self) -> int | None:
        """Return how many images the run has seen; None for a new run."""
        return int(self._header()["images_seen"]) if self.state.exists() else None

    def precision(self) -> str | None:
        """Return the precision that the run in the folder computes in; None for a new run."""
        return str(self._header()["settings"]["training"]["precision"]) if self.state.exists() else None

    def changes(self, settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Return the settings that differ from those of the stopped run, by name: (stored, given)."""
        return compare_settings(self._header()["settings"], settings, _WHOLE)

    def check(self, trainer: Resumable, *, change: bool) -> None:
        """Check that a trainer can go on with the run in the folder, if there is one.

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
            remedy = "" if fixed else ", or --change to go on with the new ones"
            raise ConfigError(
                f"{self.path} holds a run with other settings: {describe_changes(changes)}. "
                f"Use the same ones to resume it{remedy}, or another --out"
            )

    def resume(self, trainer: Resumable, *, change: bool) -> None:
        """Load the state of the run into a trainer; raises as `check` does."""
        self.check(trainer, change=change)
        trainer.load_state_dict(tensor_files.read(self.state)[0])

    def save_state(self, trainer: Resumable) -> None:
        """Write the state, the last file of a snapshot."""
        header = {"images_seen": trainer.images_seen, "settings": trainer.settings()}
        tensor_files.write(self.state, trainer.state_dict(), header)

    def save_sheet(self, name: str, images_seen: int, png: bytes) -> None:
        """Write a contact sheet, PNG bytes, as samples/IMAGES_SEEN-NAME.png."""
        with self.explain_write_errors():
            write_file(self.samples / f"{images_seen:09d}-{name}.png", png)

    def _header(self) -> dict[str, Any]:
        header = tensor_files.read_header(self.state)
        if not {"images_seen", "settings"} <= header.keys():
            raise ConfigError(
                f"{self.state} was written by another version; "
                f"begin a new run in another --out, {self.begin_anew.format(path=self.path)}"
            )
        return header

    @contextmanager
    def explain_write_errors(self) -> Iterator[None]:
        """Turn errors of the disk inside the context into a TrainingError that says what to do."""
        try:
            yield
        except OSError as error:
            stands = self.images_seen()
            left = "no snapshot was saved yet" if stands is None else f"the snapshot after {stands} images is intact"
            raise TrainingError(
                f"cannot write {error.filename or self.path} ({error.strerror or error}); {left}: "
                "make room or correct the rights, then give the same command again"
            ) from error


@contextmanager
def lock_run_folder(
    path: Path, left_overs: Iterable[str], explain_errors: Callable[[], AbstractContextManager[None]]
) -> Iterator[None]:
    """Lock a run folder for this process, and delete what a killed one left half-written.

    Args:
        path: the folder, which is created if it does not exist.
        left_overs: patterns of the files to delete.
        explain_errors: context that explains errors of the disk.

    Raises:
        ConfigError: another process trains in it.
    """
    with explain_errors():
        path.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with explain_errors():
            try:
                stack.enter_context(lock_file(path / ".lock"))
            except BlockingIOError:
                raise ConfigError(f"another process trains in {path}; stop it, or choose another --out") from None
        for pattern in left_overs:
            for left_over in path.glob(pattern):
                left_over.unlink()
        yield


def compare_settings(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], whole: Collection[str] = ()
) -> dict[str, tuple[Any, Any]]:
    """Return the settings that differ, by dotted name: (stored, wanted). Those named in `whole` are one value each."""
    was, now = flatten_settings(stored, whole), flatten_settings(wanted, whole)
    names = sorted(was.keys() | now.keys())
    return {name: (was.get(name), now.get(name)) for name in names if was.get(name) != now.get(name)}


def describe_changes(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """Describe what `compare_settings` returns, for an error message."""
    return "; ".join(f"{name} was {was!r} and is {now!r}" for name, (was, now) in changes.items())


def flatten_settings(settings: Mapping[str, Any], whole: Collection[str] = (), prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted names; empty ones and those named in `whole` stay as they are."""
    flattened: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value and name not in whole:
            flattened |= flatten_settings(value, whole, f"{prefix}{name}.")
        else:
            flattened[f"{prefix}{name}"] = value
    return flattened
