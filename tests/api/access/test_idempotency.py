"""Idempotency keys end."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from api.access.idempotency import IdempotencyKeys
from api.operations.database import Database
from api.problems import Problem


def test_a_key_stands_for_its_request_until_it_is_forgotten(tmp_path: Path) -> None:
    with closing(Database.open(tmp_path)) as database:
        keys = IdempotencyKeys(database.engine)
        now_ms = time.time_ns() // 1_000_000
        assert keys.claim("lab", "a", {"count": 1}, "first") == "first"
        keys.forget_before(now_ms - 60_000)
        assert keys.claim("lab", "a", {"count": 1}, "second") == "first"
        with pytest.raises(Problem):
            keys.claim("lab", "a", {"count": 2}, "second")
        keys.forget_before(now_ms + 60_000)
        assert keys.claim("lab", "a", {"count": 2}, "second") == "second"
