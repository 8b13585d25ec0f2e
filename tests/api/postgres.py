"""A PostgreSQL server of the tests' own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.load import postgres
from benchmarks.load.postgres import Server
from core.errors import ConfigError

__all__ = ["Server", "running_server"]


@contextmanager
def running_server() -> Iterator[Server]:
    """Skips where PostgreSQL is not installed."""
    try:
        postgres.find_binaries()
    except ConfigError as error:
        pytest.skip(str(error))
    with postgres.run_server() as server:
        yield server
