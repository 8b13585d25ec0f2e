"""Files that appear whole or not at all: each is written under a temporary name and then renamed.

Results that people may have worked on are written under new names alone, which `check_new` checks before any work.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from core.errors import DatasetError

_PRIVATE: Final = 0o600
_READABLE: Final = 0o644


def check_new(out: Path) -> None:
    """Check that a result has a new name, before the work whose result it is begins.

    Raises:
        DatasetError: a file or folder of that name exists.
    """
    if out.exists():
        raise DatasetError(f"{out} is there already; choose another name for --out, or remove it")


def write_file(path: Path | str, data: bytes, *, private: bool = False) -> None:
    """Write a file beside its target and rename it: readers see the old file or the whole new one, never a part.

    The folder is made if it does not exist. The file is readable by everyone (mode 0o644).

    Args:
        private: only the owner can read the file (mode 0o600).
    """
    path = Path(path)
    temporary = _write_temporary(path, data, _PRIVATE if private else _READABLE)
    try:
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def create_private_file(path: Path, data: bytes) -> bool:
    """Create a file that only its owner can read (mode 0o600), unless a file of that name exists.

    Of several processes that create it at once, one succeeds and the others leave its file as it is.

    Returns:
        whether this call created it.
    """
    temporary = _write_temporary(path, data, _PRIVATE, durable=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _write_temporary(path: Path, data: bytes, mode: int, *, durable: bool = False) -> Path:
    """Write the data under a temporary name in the folder of `path`, which is made if it does not exist.

    Args:
        path: final name of the file.
        data: its content.
        mode: permissions of the file, whatever the process's umask is.
        durable: wait until the disk has the data.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = _create(temporary)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _create(temporary)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(handle, mode)
            if durable:
                file.flush()
                os.fsync(handle)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _create(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE)
