"""`gestaltgen backup`: copies the state folder of a service, which may run meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.operations.backup import copy_state_folder
from api.operations.state_folder import RECEIPTS, SERVER_KEYS
from api.settings import Settings
from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress
from gestaltgen.cli.service.state_option import State, locate_service

_console = make_console(soft_wrap=True)


def backup(
    out: Annotated[Path, typer.Argument(help="Folder to write; it must not exist.")],
    state: State = None,
) -> None:
    """Copy the state folder of the service, which may run meanwhile. A service can be started on the copy.

    Photographs stay encrypted in the copy. The keys that open them, server.keys, are left out: keep a copy of that file
    where people who have the backup cannot read it.

    To restore: copy the folder back, put server.keys and the newest receipts of erasures into it, start the service.

    Example: gestaltgen backup /mnt/backups/2026-11-22
    """
    folder, url = locate_service(state)
    settings = Settings()
    if url is not None:
        raise ConfigError(
            "the service keeps its records in PostgreSQL; back that up with pg_dump, and then its store or state folder"
        )
    size = copy_state_folder(folder, out, ConsoleProgress(_console))
    _console.print(f"{size.files:,} files, {size.bytes / 1e6:,.1f} MB in {out}")
    if settings.storage is not None and state is None:
        _console.print("the object store is not in the backup: copy it with its own tools, now")
    receipts = settings.receipts or settings.storage or folder / RECEIPTS
    _console.print(
        f"receipts of erasures, in {receipts}, are not in the backup: a service on it needs the newest ones, or what "
        "was erased after the backup comes back"
    )
    keys = settings.server_keys or folder / SERVER_KEYS
    _console.print(
        f"{keys} is not in the backup: keep a copy elsewhere; without it nobody can open the photographs in the backup"
    )
