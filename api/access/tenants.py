"""What each owner of keys may take of a service: requests, images that wait, bytes, models, and time."""

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
"""For so long limits are not looked up again."""

_tenants: Final = Table(
    "tenants", TABLES, Column("owner", String, primary_key=True), Column("limits", String, nullable=False)
)


@dataclass(frozen=True)
class TenantLimits:
    """Of one owner; None is no limit beyond that of the service.

    Attributes:
        requests_per_minute: answered by one process.
        images_waiting: of jobs that wait or run.
        stored_mb: of all that is theirs, in units of 10^6 bytes; what is begun is finished.
        models: names of the generators that they have, the first of which serves requests that name none.
        photo_ttl_s: for which photographs and what follows from them are kept at most.
    """

    requests_per_minute: int | None = None
    images_waiting: int | None = None
    stored_mb: int | None = None
    models: tuple[str, ...] | None = None
    photo_ttl_s: int | None = None


class Tenants:
    """The limits of all owners.

    Args:
        engine: of the service's database.
        clock: seconds, from any moment on.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[str, tuple[float, TenantLimits]] = {}
        self._left: dict[str, tuple[float, float]] = {}  # requests left, and when that was counted
        self._guard = threading.Lock()

    def limits(self, owner: str) -> TenantLimits:
        """What holds for an owner; a change is known everywhere after a second."""
        now = self._clock()
        looked_s, found = self._known.get(owner, (-math.inf, TenantLimits()))
        if now - looked_s > _REMEMBERED_S:
            with self._engine.connect() as connection:
                row = connection.execute(
                    select(_tenants.c.limits).where(_tenants.c.owner == owner)
                ).scalar_one_or_none()
            found = TenantLimits() if row is None else _read(row)
            self._known[owner] = now, found
        return found

    def list_all(self) -> dict[str, TenantLimits]:
        """Owners that have limits of their own."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(_tenants).order_by(_tenants.c.owner)).all()
        return {row.owner: _read(row.limits) for row in rows}

    def set(self, owner: str, limits: TenantLimits) -> None:
        """Give an owner other limits; without any, those of the service hold."""
        with self._engine.begin() as connection:
            if limits == TenantLimits():
                connection.execute(delete(_tenants).where(_tenants.c.owner == owner))
                return
            told = json.dumps(asdict(limits))
            new = insert(self._engine, _tenants).values(owner=owner, limits=told)
            connection.execute(new.on_conflict_do_update(index_elements=["owner"], set_={"limits": told}))

    def admit(self, owner: str) -> None:
        """Count a request. As many as a minute allows may come at once; then they come back one by one.

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
        """See that so many more images may wait.

        Args:
            waiting: images of theirs that wait already.

        Raises:
            Problem: 429 where that would be too many, 403 where it always is.
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
        """See that an owner may have more stored.

        Args:
            stored: looks up how many bytes of theirs are.

        Raises:
            Problem: 403, what they have takes up all their room.
        """
        most = self.limits(owner).stored_mb
        if most is not None and (used := stored()) >= most * 1_000_000:
            raise Problem(
                ProblemType.TENANT_STORAGE_FULL,
                f"What is stored for you takes up {used / 1e6:,.1f} MB of {most:,}; erase photographs, or ask for more "
                "room.",
            )

    def list_models(self, owner: str, served: Collection[str]) -> list[str]:
        """Names of the served generators that an owner has, the first one first.

        Raises:
            Problem: 403, none.
        """
        theirs = self.limits(owner).models
        found = list(served) if theirs is None else [name for name in theirs if name in served]
        if not found:
            raise Problem(
                ProblemType.NO_MODEL_ALLOWED,
                f"None of your models ({', '.join(theirs or ())}) is served here; ask for others.",
            )
        return found


def _read(told: str) -> TenantLimits:
    found: Mapping[str, object] = json.loads(told)
    models = found.get("models")
    return TenantLimits(**{**found, "models": None if models is None else tuple(models)})  # type: ignore[arg-type]
