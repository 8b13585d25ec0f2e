"""Idempotency keys: the request that a caller first used a key for, and its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Engine, String, Table, delete, select

from api.operations.clock import now_ms
from api.operations.database import TABLES, insert
from api.problem_types import ProblemType
from api.problems import Problem

KEPT_S: Final = 30 * 24 * 3600
"""Time for which a key stands for its request."""

_keys: Final = Table(
    "idempotency",
    TABLES,
    Column("owner", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("request", String, nullable=False),
    Column("result", String, nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False, index=True),
)


class IdempotencyKeys:
    """Idempotency keys that were used so far.

    Args:
        engine: SQLAlchemy engine of the service's database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, owner: str, key: str | None, asked: Mapping[str, Any], result: str) -> str:
        """Bind a key to a request and to the id of its result.

        Returns:
            the id of the first request with the key, which is this one or an equal one before; `result` if there is no
            key.

        Raises:
            Problem: 400 if the key is empty, too long or not printable ASCII; 422 if it was used for another request.
        """
        if key is None:
            return result
        if not 1 <= len(key) <= 255 or not (key.isascii() and key.isprintable()):
            raise Problem(
                ProblemType.HEADER_INVALID,
                f"Idempotency-Key {key[:40]!r}: expected 1 to 255 printable ASCII characters.",
            )
        request = hashlib.sha256(json.dumps(dict(asked), sort_keys=True).encode()).hexdigest()
        values: dict[str, object] = {"owner": owner, "key": hashlib.sha256(key.encode()).hexdigest()}
        values |= {"request": request, "result": result, "created_ms": now_ms()}
        where = (_keys.c.owner == owner, _keys.c.key == values["key"])
        with self._engine.begin() as connection:
            connection.execute(insert(self._engine, _keys).values(values).on_conflict_do_nothing())
            first = connection.execute(select(_keys.c.request, _keys.c.result).where(*where)).one()
        if first.request != request:
            raise Problem(
                ProblemType.IDEMPOTENCY_KEY_REUSED,
                f"Idempotency-Key {key[:40]!r} was used for another request; a new request needs a new key.",
            )
        return str(first.result)

    def forget(self, result: str, owner: str | None = None) -> None:
        """Delete the keys of a result that is erased.

        Args:
            result: id of the result.
            owner: owner of the keys; None deletes those of every owner.
        """
        of_result = delete(_keys).where(_keys.c.result == result)
        with self._engine.begin() as connection:
            connection.execute(of_result if owner is None else of_result.where(_keys.c.owner == owner))

    def forget_before(self, time_ms: int) -> None:
        """Delete the keys that were first used before a Unix time."""
        with self._engine.begin() as connection:
            connection.execute(delete(_keys).where(_keys.c.created_ms < time_ms))
