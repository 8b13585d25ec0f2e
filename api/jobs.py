"""Durable jobs: one DBOS workflow for each, one step for each part of its work.

DBOS keeps the queue in SQLite. A workflow carries ids and numbers, never pixels; a step does its part and stores what
comes of it, so a process that dies loses at most the parts in hand, and the next one goes on where it stopped. A job's
id is that of what it works on and the number of the attempt.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus
from sqlalchemy import BigInteger, Boolean, Column, Engine, Integer, String, Table, case, func, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from api.database import TABLES
from api.metrics import Metrics
from api.ownership import Kind, owned
from api.problems import Problem
from api.worker import Stopping
from faces.errors import ConfigError, GestaltError

State = Literal["queued", "running", "done", "failed", "cancelled"]

ENDED: Final[frozenset[State]] = frozenset({"done", "failed", "cancelled"})
"""States that nothing follows."""

_APPLICATION: Final = "gestaltgen"
_QUEUE: Final = "jobs"
_STATES: Final[dict[str, State]] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}
_WORKFLOW_VERSION: Final = "2"
"""Raise it when the workflow's steps change; jobs of another version are not resumed."""

_STOP_S: Final = 60.0

_log = logging.getLogger("gestaltgen.jobs")
_one_per_process = threading.Lock()  # DBOS is one per process, and would quietly serve the first state folder

_jobs: Final = Table(
    "jobs",
    TABLES,
    Column("id", String, primary_key=True),
    Column("subject", String, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("total", Integer, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False, index=True),
)


@dataclass(frozen=True)
class Part:
    """A step of a job.

    Attributes:
        name: of the step.
        work: does it; gives how many items it made. Doing it twice does no harm.
        done: items that there are after it.
    """

    name: str
    work: Callable[[], int]
    done: int


class Work(Protocol):
    """What one kind of job does."""

    def parts(self, subject: str, total: int) -> Iterator[Part]:
        """The steps, in order: the same ones whenever they are asked for."""
        ...

    def failed(self, subject: str, error: Exception) -> None:
        """Leave nothing behind that a failed or cancelled job should not; may come twice, and after the last part."""
        ...


@dataclass(frozen=True)
class Job:
    """One attempt at something.

    Args:
        kind: of what it works on.
        subject: its id.
        items_per_s: made, over what this job has done; None before its first part.
        error: why it failed, or None.
        created_ms: when it was asked for, Unix time.
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
        return self.state in ENDED

    @property
    def eta_s(self) -> float | None:
        """Seconds until it is done at the rate so far, or None."""
        if self.finished or not self.items_per_s:
            return None
        return (self.total - self.done) / self.items_per_s


@dataclass(frozen=True)
class Load:
    """How much of one kind there is to do.

    Attributes:
        oldest_ms: when the first of those that wait was asked for, Unix time; None if none waits.
    """

    waiting: int
    running: int
    oldest_ms: int | None


class Jobs:
    """The queue and its workflow. One at a time in a process, because DBOS is one.

    Args:
        state: the service's state folder; the queue is `jobs.sqlite` in it.
        engine: of the service's database, which lists the jobs.
        works: what each kind of job does.
        concurrent: jobs that run at once.
        most_open: jobs that wait or run, of everybody and of one owner.
        metrics: of the service.
    """

    def __init__(
        self,
        state: Path,
        engine: Engine,
        works: Mapping[Kind, Work],
        *,
        concurrent: int,
        most_open: tuple[int, int],
        metrics: Metrics,
    ) -> None:
        if not _one_per_process.acquire(blocking=False):
            raise RuntimeError("a service already runs in this process; stop it, or start this one in its own process")
        self._engine = engine
        self._works = works
        self._most_open = most_open
        self._metrics = metrics
        self._stopping = False
        self._active = 0
        self._idle = threading.Condition()
        self._submitting = threading.Lock()
        try:
            self._workflow = self._launch(state / "jobs.sqlite", concurrent)
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            _one_per_process.release()
            raise

    def submit(self, kind: Kind, subject: str, total: int, owner: str) -> Job:
        """Start a job, or a new attempt where the last one failed or was cancelled; else the one that there is.

        Raises:
            Problem: 503 or 429, the queue is full, or the owner's share of it.
        """
        with self._submitting:
            latest = self.latest(subject)
            if latest is not None and not latest.finished:
                return latest
            self._check_room(owner)
            attempt = 1 if latest is None else _attempt(latest.id) + 1
            job_id = f"{subject}-{attempt}"
            values = {"id": job_id, "subject": subject, "attempt": attempt, "kind": kind, "total": total, "open": True}
            with self._engine.begin() as connection:
                connection.execute(insert(_jobs).values(values | {"created_ms": time.time_ns() // 1_000_000}))
            with SetWorkflowID(job_id):
                DBOS.enqueue_workflow(_QUEUE, self._workflow, kind.value, subject, total)
        found = self.get(job_id)
        assert found is not None  # noqa: S101  it was just made
        return found

    def latest(self, subject: str) -> Job | None:
        """The last attempt at something."""
        return self._one(select(_jobs).where(_jobs.c.subject == subject).order_by(_jobs.c.attempt.desc()).limit(1))

    def get(self, job_id: str) -> Job | None:
        """A job by its id."""
        return self._one(select(_jobs).where(_jobs.c.id == job_id))

    def page(
        self, owner: str, kinds: Collection[Kind], limit: int, before: tuple[int, str] | None
    ) -> tuple[list[Job], bool]:
        """An owner's jobs, the newest first, and whether there are more.

        Args:
            kinds: of what they work on.
            before: time and id of the job that the page before ended with.
        """
        theirs = select(_jobs).join(owned, owned.c.subject == _jobs.c.subject).where(owned.c.owner == owner)
        theirs = theirs.where(_jobs.c.kind.in_(kinds))
        place = tuple_(_jobs.c.created_ms, _jobs.c.id)
        if before is not None:
            theirs = theirs.where(place < before)
        found = self._several(theirs.order_by(_jobs.c.created_ms.desc(), _jobs.c.id.desc()).limit(limit + 1))
        return found[:limit], len(found) > limit

    def loads(self) -> dict[Kind, Load]:
        """What waits and runs, of each kind that there is something of."""
        statuses = DBOS.list_workflows(status="PENDING", queue_name=_QUEUE, load_input=False, load_output=False)
        runs = _jobs.c.id.in_([status.workflow_id for status in statuses])
        waits = case((runs, 0), else_=1)
        oldest = func.min(case((runs, None), else_=_jobs.c.created_ms))
        counted = select(_jobs.c.kind, func.count(), func.sum(waits), oldest).where(_jobs.c.open).group_by(_jobs.c.kind)
        with self._engine.connect() as connection:
            rows = connection.execute(counted).all()
        return {Kind(kind): Load(waiting, jobs - waiting, oldest_ms) for kind, jobs, waiting, oldest_ms in rows}

    def cancel(self, job: Job) -> None:
        """Stop a job after the part in hand; nothing happens to a finished one."""
        DBOS.cancel_workflow(job.id)
        now = self.get(job.id)
        if now is not None and now.state == "cancelled":  # it may have finished meanwhile
            self._close(job.id)
            if not job.finished:
                self._metrics.job_ended(job.kind, "cancelled")
            self._works[job.kind].failed(job.subject, GestaltError("the job was cancelled"))

    def forget(self, subject: str) -> None:
        """Stop the jobs of something that is erased, and leave nothing of them."""
        with self._engine.begin() as connection:
            ids = list(connection.execute(select(_jobs.c.id).where(_jobs.c.subject == subject)).scalars())
            connection.execute(_jobs.delete().where(_jobs.c.subject == subject))
        for job_id in ids:
            DBOS.cancel_workflow(job_id)
        DBOS.delete_workflows(ids)

    def close(self) -> None:
        """Stop after the parts in hand; unfinished jobs go on when the service starts again."""
        self._stopping = True
        with self._idle:
            if not self._idle.wait_for(lambda: self._active == 0, timeout=_STOP_S):
                _log.warning("%d jobs did not stop within %g s", self._active, _STOP_S)
        DBOS.destroy(destroy_registry=True)
        _one_per_process.release()

    def _check_room(self, owner: str) -> None:
        everybody, each = self._most_open
        is_open = select(func.count()).select_from(_jobs).where(_jobs.c.open)
        theirs = (
            select(func.count())
            .select_from(_jobs.join(owned, owned.c.subject == _jobs.c.subject))
            .where(_jobs.c.open, owned.c.owner == owner)
        )
        with self._engine.connect() as connection:
            if connection.execute(theirs).scalar_one() >= each:
                raise Problem(
                    429,
                    f"{each} jobs of yours wait or run already; wait until some are done, or cancel some.",
                    headers={"Retry-After": "10"},
                )
            if connection.execute(is_open).scalar_one() >= everybody:
                raise Problem(
                    503,
                    f"{everybody} jobs wait or run already; try again later.",
                    headers={"Retry-After": "30"},
                    reason="queue_full",
                )

    def _launch(self, database: Path, concurrent: int) -> Callable[[str, str, int], None]:
        url = f"sqlite:///{database}"
        _quieten_dbos()
        _prepare(database, url, concurrent)
        DBOS(
            config={
                "name": _APPLICATION,
                "system_database_url": url,
                "application_version": _WORKFLOW_VERSION,
                "executor_id": "local",
                "log_level": "WARNING",
                "enable_otlp": False,
                "serializer": DBOSPortableJSONSerializer(),
                "notification_listener_polling_interval_sec": 0.2,
            }
        )

        def job(kind: str, subject: str, total: int) -> None:
            with self._counted():
                self._do(Kind(kind), subject, total)

        workflow = DBOS.workflow(name="job")(job)
        DBOS.launch()
        self._settle(workflow)
        return workflow

    def _settle(self, workflow: Callable[[str, str, int], None]) -> None:
        """What a crash left: jobs that were listed and never queued, or done and never closed."""
        for job in self._several(select(_jobs).where(_jobs.c.open)):
            if DBOS.get_workflow_status(job.id) is None:
                with SetWorkflowID(job.id):
                    DBOS.enqueue_workflow(_QUEUE, workflow, job.kind.value, job.subject, job.total)
            elif job.finished:
                self._close(job.id)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Keep the queue open while a workflow is in our code."""
        with self._idle:
            self._active += 1
        try:
            yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def _do(self, kind: Kind, subject: str, total: int) -> None:
        """The workflow: every part in turn."""
        made, seconds, work = 0, 0.0, self._works[kind]
        job_id = DBOS.workflow_id
        try:
            for part in work.parts(subject, total):
                step = DBOS.run_step({"name": part.name}, self._timed, kind, part)
                made, seconds = made + step["made"], seconds + step["seconds"]
                DBOS.set_event("progress", {"done": part.done, "items_per_s": made / seconds if made else None})
            _log.info("%s: %d items, %.0f a second", kind, total, made / (seconds or 1))
        except Exception as error:
            refused = isinstance(error, GestaltError)  # what was asked for cannot be done: no fault of the service
            _log.log(logging.WARNING if refused else logging.ERROR, "%s failed", kind, exc_info=not refused)
            work.failed(subject, error)
            self._close(job_id)
            self._metrics.job_ended(kind, "refused" if refused else "failed")
            raise
        except BaseException:
            if self._is_closed(job_id):  # cancelled; the part that was in hand may have stored something since
                work.failed(subject, GestaltError("the job was cancelled"))
            raise
        self._close(job_id)
        self._metrics.job_ended(kind, "done")

    def _timed(self, kind: Kind, part: Part) -> dict[str, Any]:
        if self._stopping:
            raise Stopping
        began = time.perf_counter()
        made, seconds = part.work(), time.perf_counter() - began
        self._metrics.part_seconds.labels(kind, part.name).observe(seconds)
        return {"made": made, "seconds": seconds}

    def _close(self, job_id: str | None) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(_jobs).where(_jobs.c.id == job_id).values(open=False))

    def _is_closed(self, job_id: str | None) -> bool:
        with self._engine.connect() as connection:
            return connection.execute(select(_jobs.c.open).where(_jobs.c.id == job_id)).scalar() is False

    def _one(self, query: Any) -> Job | None:
        found = self._several(query)
        return found[0] if found else None

    def _several(self, query: Any) -> list[Job]:
        with self._engine.connect() as connection:
            rows = connection.execute(query).mappings().all()
        ids = [row["id"] for row in rows]
        statuses: dict[str, WorkflowStatus] = {}
        if ids:
            found = DBOS.list_workflows(workflow_ids=ids, load_input=False, load_output=True)
            statuses = {status.workflow_id: status for status in found}
        return [self._job(dict(row), statuses.get(row["id"])) for row in rows]

    def _job(self, row: Mapping[str, Any], status: WorkflowStatus | None) -> Job:
        state: State = _STATES[status.status] if status else "queued"  # listed here before it is in the queue
        progress: Mapping[str, Any] = {"done": 0, "items_per_s": None}
        if state != "queued":
            progress = DBOS.get_event(row["id"], "progress", timeout_seconds=0) or progress
        return Job(
            id=row["id"],
            kind=Kind(row["kind"]),
            subject=row["subject"],
            state=state,
            done=row["total"] if state == "done" else progress["done"],
            total=row["total"],
            items_per_s=progress["items_per_s"],
            error=str(status.error) if status and status.error else None,
            created_ms=row["created_ms"],
        )


def _quieten_dbos() -> None:
    """Hear of the queue's troubles only; how workflows end, which its `_core` reports, is logged here."""
    log = logging.getLogger("dbos")
    log.setLevel(logging.WARNING)
    log.handlers, log.propagate = [logging.NullHandler()], True  # its own would print lines of another form
    log.addFilter(_not_of_workflows)


def _not_of_workflows(record: logging.LogRecord) -> bool:
    return record.module != "_core"


def _attempt(job_id: str) -> int:
    return int(job_id.rpartition("-")[2])


def _prepare(database: Path, url: str, concurrent: int) -> None:
    """Make the database and the queue, which launch then listens to at once; a later one it finds later.

    Raises:
        ConfigError: SQLite is too old for what DBOS asks of it from Python 3.12 on.
    """
    if sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < (3, 42):
        raise ConfigError(
            f"Python {sys.version_info[0]}.{sys.version_info[1]} has SQLite {sqlite3.sqlite_version}; the job queue "
            "needs 3.42 or later there: take Python 3.11, or one with a later SQLite"
        )
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")  # stays with the file; writers no longer stop readers
    connection.close()
    DBOS.migrate(url)
    client = DBOSClient(system_database_url=url, application_name=_APPLICATION)
    try:
        client.register_queue(_QUEUE, worker_concurrency=concurrent, polling_interval_sec=0.1)
    finally:
        client.destroy()
