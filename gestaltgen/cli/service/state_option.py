"""The option `--state` of commands for operators, and the service that it names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.operations.database import Database
from api.settings import Settings

State = Annotated[
    Path | None,
    typer.Option(
        help="State folder of the service. Default: GESTALTGEN_STATE, or ./state. A service on PostgreSQL is found by "
        "GESTALTGEN_DATABASE.",
        show_default=False,
    ),
]


def locate_service(state: Path | None) -> tuple[Path, str | None]:
    """Return the state folder and the database URL of the service: those of a folder, or of the environment."""
    settings = Settings()
    return state or settings.state, None if state else settings.database_url


@contextmanager
def open_database(state: Path | None) -> Iterator[Database]:
    """Open the database of the service, with its tables, and close it at the end of the block."""
    with closing(Database.open(*locate_service(state))) as database:
        yield database
