"""Threads of owners are bounded, and forgotten with their requests."""

from __future__ import annotations

import anyio
import pytest

from api.access.owner_threads import OwnerThreads
from api.problems import Problem


def test_nothing_is_kept_of_owners_without_requests() -> None:
    threads = OwnerThreads(threads=2, most=1)

    async def ask(owner: str) -> None:
        with threads.admit(owner):
            assert await threads.run(owner, len, owner) == len(owner)
            with pytest.raises(Problem), threads.admit(owner):
                pass

    async def ask_of_many() -> None:
        async with anyio.create_task_group() as group:
            for n in range(20):
                group.start_soon(ask, f"owner {n}")

    anyio.run(ask_of_many)
    assert threads.owners_in_progress == 0
