"""Fixture that closes the databases which a test opened; from Python 3.13 on, one that is left open is a warning."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from api.operations.database import Database
from api.photographs.audit import record


@pytest.fixture(autouse=True)
def close_databases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the connections of databases and audit records that a test itself opens; services close their own."""
    opened: list[Engine] = []
    at, open_engine = Database.at, record.open_engine

    def note(engine: Engine) -> Engine:
        if threading.current_thread() is threading.main_thread():
            opened.append(engine)
        return engine

    def open_database(state: Path, url: str | None = None) -> Database:
        database = at(state, url)
        note(database.engine)
        return database

    monkeypatch.setattr(Database, "at", open_database)
    monkeypatch.setattr(record, "open_engine", lambda database: note(open_engine(database)))
    yield
    for engine in opened:
        engine.dispose()
