"""What the folders of all training runs have in common: one process at a time, and settings that can be compared."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from core.errors import ConfigError


@contextmanager
def held(path: Path, left_overs: Iterable[str], writing: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Keep a folder for this process, as long as it lives, and clear what a killed one left half-written.

    Args:
        path: made if it is not there.
        left_overs: patterns of names.
        writing: a context that tells of a disk that refuses.

    Raises:
        ConfigError: another process trains in it.
    """
    with writing():
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / ".lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"another process trains in {path}; stop it, or choose another --out") from None
        for pattern in left_overs:
            for left_over in path.glob(pattern):
                left_over.unlink()
        yield


def flat(settings: Mapping[str, Any], whole: Collection[str] = (), prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names; empty ones and those named in `whole` stay as they are."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value and name not in whole:
            found |= flat(value, whole, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found
