"""Durable job queue: DBOS keeps it in the database, and each job is a workflow.

A workflow carries ids and numbers, never pixels. Each step stores its results, so a process that dies loses at most the
current steps, and the next process continues where it stopped.

Large jobs are divided into shares, workflows of their own, which any of the processes that share the queue can take.
The job waits for a few of them at a time, so that jobs take turns. Both queues are partitioned by owner: each owner has
a number of places in a process, and a request never waits behind the jobs of another owner.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, islice, repeat
from typing import Any, Final, Protocol

from dbos import (
    DBOS,
    DBOSClient,
    DBOSPortableJSONSerializer,
    SetEnqueueOptions,
    SetWorkflowID,
    StepOptions,
    WorkflowStatus,
)
from sqlalchemy.exc import DBAPIError, OperationalError

from api.access.ownership import Kind
from api.jobs.fair_queue import on_behalf_of
from api.jobs.liveness import open_presence
from api.jobs.queue_rows import check_rows, refuse_pickles
from api.jobs.queue_threads import QueueThreads
from api.jobs.work import JobProgress, JobStep, Pace, Stopping, Work
from api.operations import state_folder
from api.operations.clock import now_ms
from api.operations.database import Database
from api.operations.metrics import Metrics
from core.errors import ConfigError, GestaltError

WORKFLOW_VERSION: Final = "4"
"""Version of the workflows. Raise it when their steps change: jobs of another version begin anew."""

ENDED: Final = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
"""Final states of a workflow."""

_APPLICATION: Final = "gestaltgen"
_JOBS: Final = "jobs"
_SHARES: Final = "shares"
_POLL_S: Final = 0.1
_LONGEST_POLL_S: Final = 0.8
_REST_S: Final = 1.0
"""Interval of looks at the queues while nothing happens, if no other process can put jobs there."""

_PAUSE_S: Final = 1.0
_SHARES_OF_A_JOB: Final = 16
"""Shares of a job that wait or run at once: enough for eight processes, and few enough that jobs take turns."""

_SHARES_AT_ONCE: Final = 2
"""Shares of one owner that run in one process: one is stored while the other is rendered."""

_PLACES: Final = 64
"""Workflows of all owners in one process; a job that waits for its shares needs a thread and nothing else."""

_RECOVERIES: Final = 1_000
_ATTEMPTS: Final = 9
"""Attempts of a step, over 50 seconds."""
_STOP_S: Final = 60.0

_log = logging.getLogger("gestaltgen.jobs")
_one_per_process = threading.Lock()  # DBOS is one per process, and would quietly serve the first state folder


class Listing(Protocol):
    """List of jobs, as the queue needs it."""

    def close(self, job_id: str) -> None:
        """Record that a job ended."""
        ...

    def is_closed(self, job_id: str) -> bool:
        """Return whether a job is recorded as ended."""
        ...

    def settle(self) -> None:
        """Repair the list after a process died."""
        ...


class Queue:
    """Queue and its workflows. A process can have one at a time, because DBOS exists once in a process.

    Args:
        database: database of the service, which stores the queue.
        listing: list of all jobs.
        works: work of each kind of job.
        concurrent: jobs of one owner that this process runs at once; 0 leaves all jobs to other processes.
        is_space_scarce: says whether jobs have to pause, as the disk is nearly full.
        metrics: metrics of the service.
        lost: called once if other processes consider this one dead; it then does nothing more.
    """

    def __init__(
        self,
        database: Database,
        listing: Listing,
        works: Mapping[Kind, Work],
        *,
        concurrent: int,
        is_space_scarce: Callable[[], bool],
        metrics: Metrics,
        lost: Callable[[], None],
    ) -> None:
        if not _one_per_process.acquire(blocking=False):
            raise RuntimeError("a service already runs in this process; stop it, or start this one in its own process")
        self._database = database
        self._listing = listing
        self._works = works
        self._is_space_scarce = is_space_scarce
        self._metrics = metrics
        self._stopping = False
        self._active = 0
        self._idle = threading.Condition()
        try:
            self._presence = open_presence(database, WORKFLOW_VERSION if concurrent else "")
            try:
                self._launch(concurrent)
                self._presence.watch(self._take_over, lost)
            except BaseException:
                self._presence.close()
                raise
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            _one_per_process.release()
            raise

    def put(self, job_id: str, kind: Kind, subject: str, total: int, owner: str) -> None:
        """Queue a job; nothing happens if it is in the queue."""
        with SetWorkflowID(job_id), self._enqueue_last(owner):
            DBOS.enqueue_workflow(_JOBS, self._workflow, kind.value, subject, total, owner)
        self._threads.wake()

    def status(self, job_ids: Sequence[str]) -> dict[str, WorkflowStatus]:
        """Return the DBOS status of each of these jobs that is in the queue, by id."""
        if not job_ids:
            return {}
        workflows = DBOS.list_workflows(workflow_ids=list(job_ids), load_input=False, load_output=True)
        return {status.workflow_id: status for status in workflows}

    def progress(self, job_id: str, kind: Kind, subject: str, total: int) -> JobProgress:
        """Return the progress of a job: that of its steps and of its shares, in whatever process they run.

        Args:
            kind, subject, total: of the job, which tell its shares.
        """
        told = DBOS.get_event(job_id, "progress", timeout_seconds=0)
        bounds = self._works[kind].shares(total)
        begun = [start for start, _ in bounds[:_SHARES_OF_A_JOB]] if told is None else told.get("shares", [])
        done, pace = 0 if told is None else told["done"], Pace()
        for start, stop in bounds:
            if start in begun:
                items = self._count_items(f"{job_id}/{start}", kind, subject, start, stop, pace)
                if not items:  # shares begin in order: the others wait
                    break
                done += items
        return JobProgress(done, pace.per_s if told is None else told["items_per_s"])

    def _count_items(self, share_id: str, kind: Kind, subject: str, start: int, stop: int, pace: Pace) -> int:
        """Count the items of a share whose steps are done, and add these steps to a pace."""
        outcomes = [step["output"] for step in DBOS.list_workflow_steps(share_id)]
        for outcome in filter(None, outcomes):  # a step that failed has none
            pace.add(outcome)
        reached = [start, *(step.done for step in self._works[kind].share(subject, start, stop))]
        return reached[min(len(outcomes) - outcomes.count(None), len(reached) - 1)] - start

    def list_running(self) -> list[str]:
        """Return the ids of the jobs that run in any process."""
        pending = DBOS.list_workflows(status="PENDING", queue_name=_JOBS, load_input=False, load_output=False)
        return [status.workflow_id for status in pending]

    def cancel(self, job_id: str) -> None:
        """Stop a job after its current steps; nothing happens to one that ended."""
        DBOS.cancel_workflow(job_id, cancel_children=True)

    def forget(self, job_ids: Sequence[str]) -> None:
        """Stop and delete jobs."""
        for job_id in job_ids:
            self.cancel(job_id)
        DBOS.delete_workflows(list(job_ids), delete_children=True)

    def can_go_on(self, status: WorkflowStatus) -> bool:
        """Return whether a living process can continue a job."""
        return status.app_version in self._presence.versions() | {WORKFLOW_VERSION}

    def is_idle(self) -> bool:
        """Return whether this process runs no job."""
        return self._active == 0

    def close(self) -> None:
        """Stop after the current steps; unfinished jobs continue after a restart, or in other processes."""
        self._stopping = True
        with self._idle:
            if not self._idle.wait_for(lambda: self._active == 0, timeout=_STOP_S):
                _log.warning("%d jobs did not stop within %g s", self._active, _STOP_S)
        DBOS.destroy(destroy_registry=True)
        self._presence.close()
        _one_per_process.release()

    def _launch(self, concurrent: int) -> None:
        url = self._database.queue_url
        _quieten_dbos()
        refuse_pickles()
        self._places = _prepare(self._database, url, concurrent)
        dbos = DBOS(
            config={
                "name": _APPLICATION,
                "system_database_url": url,
                "application_version": WORKFLOW_VERSION,
                "executor_id": self._presence.executor,
                "log_level": "WARNING",
                "enable_otlp": False,
                "serializer": DBOSPortableJSONSerializer(),
                "notification_listener_polling_interval_sec": 0.2,
            }
        )
        DBOS.listen_queues([])

        def job(kind: str, subject: str, total: int, owner: str) -> None:
            with self._count_active(), on_behalf_of(owner):
                self._run_job(Kind(kind), subject, total, owner)

        def share(kind: str, subject: str, start: int, stop: int, owner: str) -> dict[str, Any]:
            with self._count_active(), on_behalf_of(owner):
                return self._run_share(Kind(kind), subject, start, stop)

        self._workflow = DBOS.workflow(name="job", max_recovery_attempts=_RECOVERIES)(job)
        self._share = DBOS.workflow(name="share", max_recovery_attempts=_RECOVERIES)(share)
        DBOS.launch()
        rest_s = _POLL_S if self._database.shared else _REST_S
        self._threads = QueueThreads(dbos, [_JOBS, _SHARES] if concurrent else [], rest_s)
        self._threads.start()

    def _enqueue_last(self, owner: str) -> SetEnqueueOptions:
        """Return options that queue a workflow behind all others of its owner."""
        return SetEnqueueOptions(queue_partition_key=owner, priority=next(self._places))

    def _take_over(self, executor: str) -> None:
        """Return the jobs of a dead process to the queue, from which one process takes each."""
        DBOS._recover_pending_workflows([executor])
        self._listing.settle()

    @contextmanager
    def _count_active(self) -> Iterator[None]:
        """Count a running workflow, for which closing the queue waits."""
        with self._idle:
            self._active += 1
        try:
            yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()
            self._threads.wake()

    def _run_job(self, kind: Kind, subject: str, total: int, owner: str) -> None:
        """Run the workflow of a job: its shares, then its steps."""
        work, job_id = self._works[kind], str(DBOS.workflow_id)
        pace = Pace()
        try:
            for outcome, begun in self._run_shares(job_id, kind, subject, total, owner):
                pace.add(outcome)
                DBOS.set_event("progress", {"done": pace.items, "items_per_s": pace.per_s, "shares": begun})
            for step in work.steps(subject, total):
                pace.add(self._run_step(step.name, self._run_timed, kind, step))
                DBOS.set_event("progress", {"done": step.done, "items_per_s": pace.per_s})
            _log.info("%s: %d items, %.0f a second", kind, pace.made, pace.per_s or 0)
        except Exception as error:
            refused = isinstance(error, GestaltError)  # what was asked for cannot be done: no fault of the service
            _log.log(logging.WARNING if refused else logging.ERROR, "%s failed", kind, exc_info=not refused)
            work.clean_up(subject, error)
            self._listing.close(job_id)
            self._metrics.count_job(kind, "refused" if refused else "failed")
            raise
        except BaseException:
            if self._listing.is_closed(job_id):  # cancelled; the part that was in hand may have stored something since
                work.clean_up(subject, GestaltError("the job was cancelled"))
            raise
        self._run_step("close", self._close_job, job_id)
        self._metrics.count_job(kind, "done")

    def _run_shares(
        self, job_id: str, kind: Kind, subject: str, total: int, owner: str
    ) -> Iterator[tuple[dict[str, Any], list[int]]]:
        """Run the shares of a job. Yield the outcome of each as it ends, and where those start that are next to end."""
        waiting, under_way = deque(self._works[kind].shares(total)), dict[str, int]()
        while waiting or under_way:
            self._wait_for_space()
            while waiting and len(under_way) < _SHARES_OF_A_JOB:
                start, stop = waiting.popleft()
                share_id = f"{job_id}/{start}"
                with SetWorkflowID(share_id), self._enqueue_last(owner):
                    DBOS.enqueue_workflow(_SHARES, self._share, kind.value, subject, start, stop, owner)
                under_way[share_id] = stop - start
            self._threads.wake()
            ended = self._run_step("wait", self._wait_for_shares, list(under_way))
            for share_id, outcome in ended.items():
                items = under_way.pop(share_id)
                begun = [int(other.rpartition("/")[2]) for other in under_way]
                following = [start for start, _ in islice(waiting, _SHARES_OF_A_JOB - len(begun))]
                yield outcome | {"items": items}, begun + following

    def _wait_for_shares(self, shares: Sequence[str]) -> dict[str, Any]:
        """Wait until some of these shares end, and return their outcomes.

        Raises:
            GestaltError: a share cannot be carried out.
            RuntimeError: a share failed.
        """
        pause_s = _POLL_S
        while True:
            self._check_may_go_on()
            self._wait_for_space()
            workflows = DBOS.list_workflows(workflow_ids=list(shares), load_input=False)
            if len(workflows) < len(shares):  # forgotten with the job, whose image set was deleted
                raise Stopping
            ended = [status for status in workflows if status.status in ENDED]
            for status in ended:
                if status.status == "CANCELLED":  # with the job
                    raise Stopping
                if status.status != "SUCCESS":
                    raise RuntimeError(str(status.error))
                outcome: dict[str, Any] = status.output or {}
                if "refused" in outcome:
                    raise GestaltError(outcome["refused"])
            if ended:
                return {status.workflow_id: status.output for status in ended}
            time.sleep(pause_s)
            pause_s = min(_LONGEST_POLL_S, 1.25 * pause_s)  # a look costs milliseconds, and a share may take long

    def _run_share(self, kind: Kind, subject: str, start: int, stop: int) -> dict[str, Any]:
        """Run the workflow of a share. A refusal is an outcome, so that the job can distinguish it from a failure."""
        pace = Pace()
        try:
            for step in self._works[kind].share(subject, start, stop):
                pace.add(self._run_step(step.name, self._run_timed, kind, step))
        except GestaltError as error:
            return {"refused": str(error)}
        except Exception:
            _log.exception("a share of an %s failed", kind)
            raise
        return pace.to_outcome()

    def _run_step(self, name: str, work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
        """Run a durable step; it is repeated for a while if a shared database cannot be reached."""
        options: StepOptions = {"name": name}
        if self._database.shared:
            options |= {"retries_allowed": True, "interval_seconds": 1, "backoff_rate": 1.5, "max_attempts": _ATTEMPTS}
            options |= {"should_retry": _is_outage}
        return DBOS.run_step(options, work, *arguments)

    def _run_timed(self, kind: Kind, step: JobStep) -> dict[str, Any]:
        self._check_may_go_on()
        self._wait_for_space()
        began_s, began = now_ms() / 1000, time.perf_counter()
        made, seconds = step.work(), time.perf_counter() - began
        self._metrics.part_seconds.labels(kind, step.name).observe(seconds)
        return {"made": made, "began_s": began_s, "ended_s": began_s + seconds}

    def _wait_for_space(self) -> None:
        """Wait until the disk has room for the results of a step."""
        if self._is_space_scarce():
            _log.warning("a job pauses: the disk of the state folder is nearly full")
        while self._is_space_scarce():
            time.sleep(_PAUSE_S)
            self._check_may_go_on()

    def _check_may_go_on(self) -> None:
        """Raise Stopping if the service stops, or if other processes may have taken over the work."""
        if self._stopping or not self._presence.confirm_alive():
            raise Stopping

    def _close_job(self, job_id: str) -> dict[str, Any]:
        self._listing.close(job_id)
        return {}


def _is_outage(error: BaseException) -> bool:
    return isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, OperationalError))


def _quieten_dbos() -> None:
    """Log only warnings of DBOS, and not how workflows end, which this module logs."""
    log = logging.getLogger("dbos")
    log.setLevel(logging.WARNING)
    log.handlers, log.propagate = [logging.NullHandler()], True  # its own would print lines of another form
    log.addFilter(_is_no_workflow_report)


def _is_no_workflow_report(record: logging.LogRecord) -> bool:
    return record.module != "_core"


def _prepare(database: Database, url: str, concurrent: int) -> Iterator[int | None]:
    """Create the tables and both queues, so that DBOS listens to them from its launch on.

    Returns:
        the place of each workflow that is queued next. None leaves the order to the clock of the database. That of
        SQLite may count whole seconds, within which the order would be arbitrary; there one process queues everything,
        and the workflows are numbered.

    Raises:
        ConfigError: SQLite is too old for DBOS under Python 3.12 and later; or a row of the queue is not JSON.
    """
    if not database.shared:
        if sys.version_info >= (3, 12) and sqlite3.sqlite_version_info < (3, 42):
            raise ConfigError(
                f"Python {sys.version_info[0]}.{sys.version_info[1]} has SQLite {sqlite3.sqlite_version}; the job "
                "queue needs 3.42 or later there: take Python 3.11, or one with a later SQLite"
            )
        file = database.state / state_folder.QUEUE_DATABASE
        file.touch()
        file.chmod(0o600)  # the files that SQLite puts beside it have the same mode
    with database.locks.hold("tables"):
        DBOS.migrate(url)
        check_rows(database.queue_engine)  # which also lets readers of SQLite go on beside a writer, from now on
        client = DBOSClient(
            system_database_url=url, application_name=_APPLICATION, serializer=DBOSPortableJSONSerializer()
        )
        try:
            for queue, places in ((_JOBS, concurrent), (_SHARES, _SHARES_AT_ONCE)) if concurrent else ():
                client.register_queue(
                    queue,
                    worker_concurrency=_PLACES,
                    partition_worker_concurrency=places,
                    polling_interval_sec=_POLL_S,
                )
            if database.shared:
                return repeat(None)
            queued = client.list_workflows(status=["ENQUEUED", "PENDING"], load_input=False, load_output=False)
            return count(1 + max((status.priority or 0 for status in queued), default=0))
        finally:
            client.destroy()
