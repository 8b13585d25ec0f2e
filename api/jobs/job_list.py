"""List of jobs: their owners and states. A job's id consists of the id of its subject and the number of the attempt.

`api.jobs.queue` runs the jobs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from dbos import WorkflowStatus
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    String,
    Table,
    bindparam,
    case,
    func,
    insert,
    select,
    tuple_,
    update,
)

from api.access.ownership import Kind, owned
from api.jobs.job_ends import JobEnds
from api.jobs.queue import Queue
from api.jobs.work import JobProgress, Work
from api.operations.clock import now_ms
from api.operations.database import TABLES, Database
from api.operations.metrics import Metrics
from api.problem_types import ProblemType
from api.problems import Problem
from core.errors import GestaltError

State = Literal["queued", "running", "done", "failed", "cancelled"]

ENDED: Final[frozenset[State]] = frozenset({"done", "failed", "cancelled"})
"""Final states."""

_STATES: Final[dict[str, State]] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}
_log = logging.getLogger("gestaltgen.jobs")

_jobs: Final = Table(
    "jobs",
    TABLES,
    Column("id", String, primary_key=True),
    Column("subject", String, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("total", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False, index=True),
)

# Built once: to build it takes longer than the database needs for it.
_latest: Final = select(_jobs).where(_jobs.c.subject == bindparam("of")).order_by(_jobs.c.attempt.desc()).limit(1)


@dataclass(frozen=True)
class Job:
    """Job: one attempt at making an image set, an inversion, an edit or a survey pack.

    Args:
        id: id of the subject and number of the attempt.
        kind: kind of the subject.
        subject: id of the object that the job works on.
        state: state of the job.
        done: items that exist.
        total: items that are wanted.
        items_per_s: speed of this job; None before its first step.
        error: reason of a failure, or None.
        created_ms: time of the request, Unix time.
    """

    id: str
    kind: Kind
    subject: str
    state: State
    done: int
    total: int
    items_per_s: float | None
    error: str | None
    created_ms: int

    @property
    def finished(self) -> bool:
        """Whether the state is a final one."""
        return self.state in ENDED

    @property
    def eta_s(self) -> float | None:
        """Seconds until the job is done at its speed so far, or None."""
        if self.finished or not self.items_per_s:
            return None
        return (self.total - self.done) / self.items_per_s


@dataclass(frozen=True)
class Load:
    """Number of jobs of one kind that are not finished.

    Attributes:
        waiting: jobs in the queue.
        running: jobs that run.
        oldest_ms: time of the oldest request that waits, Unix time; None if none waits.
    """

    waiting: int
    running: int
    oldest_ms: int | None


class Jobs:
    """Jobs of a service, and the queue that runs them. A process can have one at a time.

    Args:
        database: database of the service, which stores the list and the queue.
        works: work of each kind of job.
        concurrent: jobs of one owner that this process runs at once; 0 leaves all jobs to other processes.
        lost: called once if other processes consider this one dead; it then does nothing more.
        most_open: limits of jobs that wait or run, of all owners and of one.
        check_images: refuses too many images; called with the owner, the images asked for and those that wait or run.
        is_space_scarce: says whether jobs have to pause.
        metrics: metrics of the service.
    """

    def __init__(
        self,
        database: Database,
        works: Mapping[Kind, Work],
        *,
        concurrent: int,
        most_open: tuple[int, int],
        check_images: Callable[[str, int, int], None] = lambda owner, images, waiting: None,
        is_space_scarce: Callable[[], bool] = lambda: False,
        metrics: Metrics,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._engine = database.engine
        self._works = works
        self.most_open = most_open
        self._check_images = check_images
        self._metrics = metrics
        self.ends = JobEnds(shared=database.shared)
        self._queue = Queue(
            database,
            self,
            works,
            concurrent=concurrent,
            is_space_scarce=is_space_scarce,
            metrics=metrics,
            lost=lost,
        )
        self.settle()

    def submit(self, kind: Kind, subject: str, total: int, owner: str) -> Job:
        """Start a job and return it; an unfinished job of the same subject is returned instead.

        Raises:
            Problem: 503, the queue is full, or 429, the owner has too much in it.
        """
        with self._database.locks.hold("submit"):
            latest = self.find_latest(subject)
            if latest is not None and not latest.finished:
                return latest
            self._check_room(kind, total, owner)
            attempt = 1 if latest is None else _attempt_number(latest.id) + 1
            job_id = f"{subject}-{attempt}"
            values = {"id": job_id, "subject": subject, "attempt": attempt, "kind": kind, "total": total, "open": True}
            with self._engine.begin() as connection:
                values |= {"owner": owner, "created_ms": now_ms()}
                connection.execute(insert(_jobs).values(values))
            self._queue.put(job_id, kind, subject, total, owner)
        found = self.get(job_id)
        assert found is not None  # noqa: S101  it was just made
        return found

    def check_room(self, kind: Kind, subject: str, total: int, owner: str) -> None:
        """Check that a job could be submitted now, before anything is stored for it.

        Raises:
            Problem: as `submit`.
        """
        latest = self.find_latest(subject)
        if latest is None or latest.finished:
            self._check_room(kind, total, owner)

    def find_latest(self, subject: str) -> Job | None:
        """Return the last job of a subject."""
        return self._find_one(_latest, {"of": subject})

    def get(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        return self._find_one(select(_jobs).where(_jobs.c.id == job_id))

    def page(
        self, owner: str, kinds: Collection[Kind], limit: int, before: tuple[int, str] | None
    ) -> tuple[list[Job], bool]:
        """Return a page of an owner's jobs, the newest first, and whether there are more.

        Args:
            owner: owner of the subjects.
            kinds: kinds of jobs to return.
            limit: most jobs on the page.
            before: time and id of the last job on the previous page.
        """
        theirs = select(_jobs).join(owned, owned.c.subject == _jobs.c.subject).where(owned.c.owner == owner)
        theirs = theirs.where(_jobs.c.kind.in_(kinds))
        place = tuple_(_jobs.c.created_ms, _jobs.c.id)
        if before is not None:
            theirs = theirs.where(place < before)
        found = self._find_all(theirs.order_by(_jobs.c.created_ms.desc(), _jobs.c.id.desc()).limit(limit + 1))
        return found[:limit], len(found) > limit

    def count_by_kind(self) -> dict[Kind, Load]:
        """Count the unfinished jobs of each kind that has any."""
        runs = _jobs.c.id.in_(self._queue.list_running())
        waits = case((runs, 0), else_=1)
        oldest = func.min(case((runs, None), else_=_jobs.c.created_ms))
        counted = select(_jobs.c.kind, func.count(), func.sum(waits), oldest).where(_jobs.c.open).group_by(_jobs.c.kind)
        with self._engine.connect() as connection:
            rows = connection.execute(counted).all()
        return {Kind(kind): Load(waiting, jobs - waiting, oldest_ms) for kind, jobs, waiting, oldest_ms in rows}

    def cancel(self, job: Job) -> None:
        """Stop a job after its current step; nothing happens to a finished one."""
        self._queue.cancel(job.id)
        now = self.get(job.id)
        if now is not None and now.state == "cancelled":  # it may have finished meanwhile
            self.close(job.id)
            if not job.finished:
                self._metrics.count_job(job.kind, "cancelled")
            self._works[job.kind].clean_up(job.subject, GestaltError("the job was cancelled"))

    def forget(self, subject: str) -> None:
        """Stop and delete the jobs of a subject that is erased."""
        with self._engine.begin() as connection:
            ids = list(connection.execute(select(_jobs.c.id).where(_jobs.c.subject == subject)).scalars())
            connection.execute(_jobs.delete().where(_jobs.c.subject == subject))
        self._queue.forget(ids)
        self.ends.announce(subject)

    def close(self, job_id: str) -> None:
        """Record that a job ended."""
        with self._engine.begin() as connection:
            connection.execute(update(_jobs).where(_jobs.c.id == job_id).values(open=False))
        self.ends.announce(_subject(job_id))

    def is_closed(self, job_id: str) -> bool:
        """Return whether a job is recorded as ended."""
        with self._engine.connect() as connection:
            return connection.execute(select(_jobs.c.open).where(_jobs.c.id == job_id)).scalar() is False

    def settle(self) -> None:
        """Repair the list after a crash or an upgrade.

        Jobs that were listed but never queued are queued, those that ended are closed, and those that no living process
        can continue begin anew.
        """
        with self._database.locks.hold("settle"):
            with self._engine.connect() as connection:
                oldest_first = select(_jobs).where(_jobs.c.open).order_by(_jobs.c.created_ms)
                rows = connection.execute(oldest_first).mappings().all()
            queued = self._queue.status([row["id"] for row in rows])
            for row in rows:
                status = queued.get(row["id"])
                if status is not None and _STATES[status.status] in ENDED:
                    self.close(row["id"])
                    continue
                if status is not None and not self._queue.can_go_on(status):
                    _log.info("job %s was begun by another version; it begins anew with what it has stored", row["id"])
                    self._queue.forget([row["id"]])
                    status = None
                if status is None:
                    self._queue.put(row["id"], Kind(row["kind"]), row["subject"], row["total"], row["owner"])

    def is_idle(self) -> bool:
        """Return whether this process runs no job."""
        return self._queue.is_idle()

    def stop(self) -> None:
        """Stop after the current steps; unfinished jobs continue after a restart, or in other processes."""
        self._queue.close()

    def _check_room(self, kind: Kind, total: int, owner: str) -> None:
        everybody, each = self.most_open
        of_sets = _jobs.c.open, _jobs.c.owner == owner, _jobs.c.kind == Kind.IMAGE_SET
        images = select(func.coalesce(func.sum(_jobs.c.total), 0)).where(*of_sets)
        is_open = select(func.count()).select_from(_jobs).where(_jobs.c.open)
        theirs = (
            select(func.count())
            .select_from(_jobs.join(owned, owned.c.subject == _jobs.c.subject))
            .where(_jobs.c.open, owned.c.owner == owner)
        )
        with self._engine.connect() as connection:
            if connection.execute(theirs).scalar_one() >= each:
                raise Problem(
                    ProblemType.TOO_MANY_JOBS,
                    f"{each} jobs of yours wait or run already; wait until some are done, or cancel some.",
                    headers={"Retry-After": "10"},
                )
            if kind is Kind.IMAGE_SET:
                self._check_images(owner, total, int(connection.execute(images).scalar_one()))
            if connection.execute(is_open).scalar_one() >= everybody:
                raise Problem(
                    ProblemType.QUEUE_FULL,
                    f"{everybody} jobs wait or run already; try again later.",
                    headers={"Retry-After": "30"},
                )

    def _find_one(self, query: Any, values: Mapping[str, Any] | None = None) -> Job | None:
        found = self._find_all(query, values)
        return found[0] if found else None

    def _find_all(self, query: Any, values: Mapping[str, Any] | None = None) -> list[Job]:
        with self._engine.connect() as connection:
            rows = connection.execute(query, values).mappings().all()
        statuses = self._queue.status([row["id"] for row in rows])
        return [self._build_job(dict(row), statuses.get(row["id"])) for row in rows]

    def _build_job(self, row: Mapping[str, Any], status: WorkflowStatus | None) -> Job:
        state: State = _STATES[status.status] if status else "queued"  # listed here before it is in the queue
        kind, progress = Kind(row["kind"]), JobProgress()
        if state != "queued":
            progress = self._queue.progress(row["id"], kind, row["subject"], row["total"])
        return Job(
            id=row["id"],
            kind=kind,
            subject=row["subject"],
            state=state,
            done=row["total"] if state == "done" else progress.done,
            total=row["total"],
            items_per_s=progress.items_per_s,
            error=str(status.error) if status and status.error else None,
            created_ms=row["created_ms"],
        )


def _attempt_number(job_id: str) -> int:
    return int(job_id.rpartition("-")[2])


def _subject(job_id: str) -> str:
    return job_id.rpartition("-")[0]
