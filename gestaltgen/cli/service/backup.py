"""`gestaltgen backup`: a copy of the service's state folder, taken while it runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import typer

from api.encryption.server_keys import FILE as SERVER_KEYS
from api.operations.file_stores import LocalFiles
from api.settings import Settings
from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import progress_bar
from gestaltgen.cli.service.keys import State, place_of

DATABASES: Final = ("jobs.sqlite", "service.sqlite", "audit.sqlite")
"""In this order, so that each knows of all that is in those before it, as after a crash."""

FOLDERS: Final = ("sets", "edits", "photos", "stimuli")
OTHERS: Final = ("secret",)
_console = make_console(soft_wrap=True)


def backup(
    out: Annotated[Path, typer.Argument(help="Folder to write; a new one.")],
    state: State = None,
) -> None:
    """Copy the service's state folder, while it runs or not; the copy is one that a service starts on.

    Photographs stay encrypted in it, and the keys that open them, server.keys, are left out: keep a copy of that file
    where those who have the backup do not.

    To restore: copy the folder back, put server.keys into it, start the service.

    Example: gestaltgen backup /mnt/backups/2026-11-22
    """
    folder, url = place_of(state)
    settings = Settings()
    if url is not None:
        raise ConfigError(
            "the service keeps its records in PostgreSQL; back that up with pg_dump, and then its store or state folder"
        )
    if not (folder / DATABASES[1]).exists():
        raise ConfigError(f"{folder} is not the state folder of a service; name it: --state")
    if out.exists():
        raise ConfigError(f"{out} is there already, and is not overwritten; expected a new folder")
    aside = out.with_name(f".{out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700, parents=True)
    try:
        files, size = _copy(folder, aside)
        os.replace(aside, out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    _console.print(f"{files:,} files, {size / 1e6:,.1f} MB in {out}")
    if settings.storage is not None and state is None:
        _console.print("the store is not in it: copy it with its own tools, now")
    keys = settings.server_keys or folder / SERVER_KEYS
    _console.print(f"{keys} is not in it: keep a copy elsewhere; without it photographs in the backup open for nobody")


def _copy(state: Path, out: Path) -> tuple[int, int]:
    """Number of files and bytes."""
    for name in DATABASES:
        if (state / name).exists():
            _copy_database(state / name, out / name)
    stored = LocalFiles(state)
    names = [name for name in OTHERS if stored.exists(name)]
    names += [f"{folder}/{name}" for folder in FOLDERS for name in stored.names(folder)]
    with progress_bar(_console, "copying", len(names)) as show:
        for done, name in enumerate(names, 1):
            (out / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                shutil.copy2(state / name, out / name)
            except FileNotFoundError:  # erased meanwhile
                continue
            show(done)
    copied = [path for path in out.rglob("*") if path.is_file()]
    return len(copied), sum(path.stat().st_size for path in copied)


def _copy_database(path: Path, out: Path) -> None:
    """A database as it is at one moment."""
    os.close(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(out)) as copy:
        source.backup(copy)
