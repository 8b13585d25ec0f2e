"""Files that appear whole or not at all: each is written under a temporary name and then renamed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_file(path: Path | str, data: bytes) -> None:
    """Write a file beside its target and rename it: readers see the old file or the whole new one, never a part.

    The folder is made if it does not exist. The file is readable by everyone (mode 0o644).
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _write_temporary(path, data)
    try:
        os.chmod(temporary, 0o644)
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
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _write_temporary(path, data, durable=True)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _write_temporary(path: Path, data: bytes, *, durable: bool = False) -> Path:
    """Write the data under a temporary name in the folder of `path`, readable by its owner alone.

    Args:
        path: final name of the file.
        data: its content.
        durable: wait until the disk has the data.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)
