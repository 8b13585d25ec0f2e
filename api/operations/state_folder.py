"""The state folder of a service: the names of its files, the lock of its only user, and the check of its layout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from core.file_lock import lock_file

QUEUE_DATABASE: Final = "jobs.sqlite"
SERVICE_DATABASE: Final = "service.sqlite"
AUDIT_DATABASE: Final = "audit.sqlite"
DATABASES: Final = (QUEUE_DATABASE, SERVICE_DATABASE, AUDIT_DATABASE)
"""Databases in the order of a backup. Each one refers only to objects of those before it, as after a crash."""

SETS: Final = "sets"
EDITS: Final = "edits"
PHOTOS: Final = "photos"
STIMULI: Final = "stimuli"
EXPLANATIONS: Final = "explanations"
FOLDERS: Final = (SETS, EDITS, PHOTOS, STIMULI, EXPLANATIONS)
"""Folders of stored files; with an object store they lie there."""

RECEIPTS: Final = "receipts"
"""Folder of the receipts of erasures; a backup leaves it out, so that restoring one undoes no erasure."""

CACHE: Final = "cache"
"""Folder of files that can be made again."""

SECRET: Final = "secret"  # noqa: S105  a name
"""File of the secret that signs marks."""

SERVER_KEYS: Final = "server.keys"
"""File of the keys that wrap those of photographs; a backup leaves it out."""

RESERVE: Final = "reserve"
"""File that keeps space free for the databases."""

_LOCK: Final = "lock"
_OLDER: Final = (f"{SETS}/*.partial", f"{SETS}/*/derived", f"{PHOTOS}/.*", "incoming")
"""Patterns of what earlier development versions left in the folder."""


@contextmanager
def lock_state_folder(state: Path) -> Iterator[None]:
    """Lock the state folder, which is created if need be, so that no second service takes over the first one's jobs.

    Raises:
        ConfigError: another service has it.
    """
    state.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock_file(state / _LOCK))
        except OSError as error:
            raise ConfigError(
                f"the state folder {state} is in use by another service; stop that, or set GESTALTGEN_STATE"
            ) from error
        yield


def check_layout(state: Path) -> None:
    """Refuse a state folder whose files lie where an earlier development version put them.

    Raises:
        ConfigError: the layout is an older one.
    """
    for pattern in _OLDER:
        for path in state.glob(pattern):
            raise layout_error(f"the state folder {state} has an older layout ({path.relative_to(state)} is there)")


def layout_error(found: str) -> ConfigError:
    """Return the error for state that an earlier development version wrote."""
    return ConfigError(
        f"{found}, which was never released and cannot be converted: name a new folder (GESTALTGEN_STATE) or an empty "
        "database, or go on with the gestaltgen that wrote it"
    )
