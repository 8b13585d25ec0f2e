"""Copy of a state folder, taken while the service runs: databases as of one moment, then the stored files.

The keys that wrap those of photographs are left out, so that a backup alone opens no photograph; and the receipts of
erasures, which have to be newer than the backup when it is restored.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from api.operations.file_stores import LocalFiles
from api.operations.state_folder import DATABASES, FOLDERS, SECRET, SERVICE_DATABASE
from core.errors import ConfigError
from core.progress import SILENT, Progress


@dataclass(frozen=True)
class BackupSize:
    """Number of files in a backup, and their bytes together."""

    files: int
    bytes: int


def copy_state_folder(state: Path, out: Path, progress: Progress = SILENT) -> BackupSize:
    """Copy a state folder, whole or not at all.

    Args:
        out: new folder, which only its owner can read.
        progress: receives the number of stored files that are copied.

    Raises:
        ConfigError: `state` is not a state folder, or `out` exists.
    """
    if not (state / SERVICE_DATABASE).exists():
        raise ConfigError(f"{state} is not the state folder of a service; name it: --state")
    if out.exists():
        raise ConfigError(f"{out} exists, and is not overwritten; expected a new folder")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    try:
        _copy_databases(state, partial)
        _copy_stored_files(state, partial, progress)
        copied = [path.stat().st_size for path in partial.rglob("*") if path.is_file()]
        os.replace(partial, out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return BackupSize(len(copied), sum(copied))


def _copy_databases(state: Path, out: Path) -> None:
    for name in DATABASES:
        if (state / name).exists():
            os.close(os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with closing(sqlite3.connect(state / name)) as source, closing(sqlite3.connect(out / name)) as copy:
                source.backup(copy)  # as of one moment, whatever is written meanwhile


def _copy_stored_files(state: Path, out: Path, progress: Progress) -> None:
    stored = LocalFiles(state)
    names = [SECRET] if stored.exists(SECRET) else []
    names += [f"{folder}/{name}" for folder in FOLDERS for name in stored.names(folder)]
    with progress.bar("copying", len(names)) as report:
        for done, name in enumerate(names, 1):
            (out / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                shutil.copy2(state / name, out / name)
            except FileNotFoundError:  # erased meanwhile
                continue
            report(done)
