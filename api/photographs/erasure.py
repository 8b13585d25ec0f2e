"""Erasing what has been kept for its time, again and again while the service runs."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.to_thread

from api.access.api_keys import SERVICE
from api.photographs.storage import now_ms
from api.resources import Resources

_EVERY_S: Final = 15.0
_log = logging.getLogger("gestaltgen.erasing")


def erase_expired(service: Resources) -> None:
    """Erase every photograph and survey pack whose time is over, and originals that a job could not erase.

    What cannot be erased now is tried again.
    """
    with service.database.locks.hold("erasing"):  # by one process at a time, so that each erasure is recorded once
        _erase_expired(service)


def _erase_expired(service: Resources) -> None:
    photos, packs = service.photographs.expired(now_ms())
    for photo in photos:
        try:
            service.forget_photo(photo, SERVICE, "its time was over")
        except Exception:
            service.metrics.erasure_failures.inc()
            _log.exception("a photograph could not be erased")
    for pack in packs:
        try:
            service.forget_pack(pack, SERVICE)
        except Exception:
            service.metrics.erasure_failures.inc()
            _log.exception("a survey pack could not be erased")
    for photo in service.photographs.left_originals():
        try:
            service.photographs.drop_original(photo)
        except Exception:
            _log.exception("an original could not be erased")


@asynccontextmanager
async def sweeping(service: Resources) -> AsyncIterator[None]:
    """Erase what is over, at the start and then every 15 seconds."""

    async def sweep() -> None:
        while True:
            try:
                await anyio.to_thread.run_sync(erase_expired, service)
            except Exception:  # the database or the store is away; the service goes on
                service.metrics.erasure_failures.inc()
                _log.exception("what is over could not be looked up")
            await anyio.sleep(_EVERY_S)

    async with anyio.create_task_group() as group:
        group.start_soon(sweep)
        try:
            yield
        finally:
            group.cancel_scope.cancel()
