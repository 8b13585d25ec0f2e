"""The service's own tables, in one database beside that of the queue."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, MetaData, create_engine, event

TABLES: Final = MetaData()
"""Each part of the service adds its own; `connect` makes those that are missing."""

_BUSY_S: Final = 30.0


def connect(state: Path) -> Engine:
    """The database of a state folder, made if need be: `service.sqlite`, readable by its owner only."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / "service.sqlite"
    path.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_S})
    event.listen(engine, "connect", _prepare)
    TABLES.create_all(engine)
    return engine


def _prepare(connection: Any, _: object) -> None:
    """Readers beside a writer; deleted rows are overwritten, as they may be a patient's."""
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
