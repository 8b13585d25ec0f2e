"""Limits of tenants: how many requests, waiting images, bytes, models and how much time each owner of keys may use."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import Column, Engine, String, Table, delete, select

from api.operations.database import TABLES, insert
from api.problem_types import ProblemType
from api.problems import Problem

_REMEMBERED_S: Final = 1.0
"""Seconds for which limits are not read again."""

_tenants: Final = Table(
    "tenants", TABLES, Column("owner", String, primary_key=True), Column("limits", String, nullable=False)
)


@dataclass(frozen=True)
class TenantLimits:
    """Limits of one owner; None sets no limit beyond that of the service.

    Attributes:
        requests_per_minute: requests that one process answers.
        images_waiting: images of jobs that wait or run.
        stored_mb: size of all their objects, in units of 10^6 bytes; a job that has begun is finished.
        models: names of the generators that they can use; the first one serves requests that name none.
        photo_ttl_s: longest time for which photographs and everything derived from them are kept.
    """

    requests_per_minute: int | None = None
    images_waiting: int | None = None
    stored_mb: int | None = None
    models: tuple[str, ...] | None = None
    photo_ttl_s: int | None = None


class Tenants:
    """Limits of all owners.

    Args:
        engine: SQLAlchemy engine of the service's database.
        clock: seconds, counted from any moment.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[str, tuple[float, TenantLimits]] = {}
        self._left: dict[str, tuple[float, float]] = {}  # requests left, and when that was counted
        self._guard = threading.Lock()

    def limits(self, owner: str) -> TenantLimits:
        """Return the limits of an owner; a change takes effect in other processes after a second."""
        if self.remembers(owner):
            _, found = self._known[owner]
        else:
            now = self._clock()
            with self._engine.connect() as connection:
                row = connection.execute(
                    select(_tenants.c.limits).where(_tenants.c.owner == owner)
                ).scalar_one_or_none()
            found = TenantLimits() if row is None else _read(row)
            self._known[owner] = now, found
        return found

    def remembers(self, owner: str) -> bool:
        """Whether the limits of an owner need not be read again now."""
        looked_s, _ = self._known.get(owner, (-math.inf, None))
        return self._clock() - looked_s <= _REMEMBERED_S

    def list_all(self) -> dict[str, TenantLimits]:
        """Return the limits of all owners that have any."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_tenants).order_by(_tenants.c.owner)).all()
        return {row.owner: _read(row.limits) for row in rows}

    def set(self, owner: str, limits: TenantLimits) -> None:
        """Set the limits of an owner, from now on in this process; without any, those of the service apply."""
        with self._engine.begin() as connection:
            if limits == TenantLimits():
                connection.execute(delete(_tenants).where(_tenants.c.owner == owner))
            else:
                text = json.dumps(asdict(limits))
                new = insert(self._engine, _tenants).values(owner=owner, limits=text)
                connection.execute(new.on_conflict_do_update(index_elements=["owner"], set_={"limits": text}))
        self._known.pop(owner, None)
        with self._guard:
            self._left.pop(owner, None)

    def admit(self, owner: str) -> None:
        """Count a request against a token bucket: a minute's requests may come at once, and are refilled steadily.

        Raises:
            Problem: 429, there were too many.
        """
        most = self.limits(owner).requests_per_minute
        if most is None:
            return
        with self._guard:
            now = self._clock()
            left, counted_s = self._left.get(owner, (float(most), now))
            left = min(most, left + (now - counted_s) * most / 60)
            self._left[owner] = max(0.0, left - 1) if left >= 1 else left, now
        if left < 1:
            raise Problem(
                ProblemType.TOO_MANY_REQUESTS,
                f"{most} requests a minute are yours, and they are used up; wait a little between them.",
                headers={"Retry-After": str(math.ceil((1 - left) * 60 / most))},
            )

    def check_images(self, owner: str, images: int, waiting: int) -> None:
        """Check that so many more images may wait.

        Args:
            waiting: images of the owner that wait already.

        Raises:
            Problem: 429 if these are too many now, 403 if they always are.
        """
        most = self.limits(owner).images_waiting
        if most is None or waiting + images <= most:
            return
        if images > most:
            raise Problem(
                ProblemType.TENANT_IMAGES_EXCEEDED,
                f"{images:,} images are more than the {most:,} that may wait for you at once; ask for several smaller "
                "sets, one after the other.",
            )
        raise Problem(
            ProblemType.TOO_MANY_IMAGES,
            f"{waiting:,} images wait for you already, and {images:,} more would be over your {most:,}; wait until "
            "some are done, or cancel some.",
            headers={"Retry-After": "10"},
        )

    def check_bytes(self, owner: str, stored: Callable[[], int]) -> None:
        """Check that an owner may store more.

        Args:
            stored: looks up the stored bytes of the owner.

        Raises:
            Problem: 403, the owner's storage is used up.
        """
        most = self.limits(owner).stored_mb
        if most is not None and (used := stored()) >= most * 1_000_000:
            raise Problem(
                ProblemType.TENANT_STORAGE_FULL,
                f"What is stored for you takes up {used / 1e6:,.1f} MB of {most:,}; erase photographs, or ask for more "
                "room.",
            )

    def list_models(self, owner: str, served: Collection[str]) -> list[str]:
        """Return the names of the served generators that an owner can use, the default first.

        Raises:
            Problem: 403, there are none.
        """
        theirs = self.limits(owner).models
        found = list(served) if theirs is None else [name for name in theirs if name in served]
        if not found:
            raise Problem(
                ProblemType.NO_MODEL_ALLOWED,
                f"None of your models ({', '.join(theirs or ())}) is served here; ask for others.",
            )
        return found


def _read(text: str) -> TenantLimits:
    found: Mapping[str, object] = json.loads(text)
    models = found.get("models")
    return TenantLimits(**{**found, "models": None if models is None else tuple(models)})  # type: ignore[arg-type]
