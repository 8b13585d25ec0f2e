"""Durable jobs: one DBOS workflow for each image set, one step for each chunk of its rows.

DBOS keeps the queue in SQLite. A workflow carries ids and ranges, never pixels; a step renders a chunk and
stores its files, so a process that dies loses at most the chunks in hand, and the next one goes on where it
stopped. A job's id is its image set's id and the number of the attempt.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowStatus

from api.model import Plan
from api.rendering import CHUNK_IMAGES, make_chunk
from api.storage import Store, StoredRequest, chunks
from api.worker import Stopping, Worker
from faces.errors import GestaltError

State = Literal["queued", "running", "done", "failed", "cancelled"]

_APPLICATION: Final = "gestaltgen"
_QUEUE: Final = "image-sets"
_STATES: Final[dict[str, State]] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}
_WORKFLOW_VERSION: Final = "1"
"""Raise it when the workflow's steps change; jobs of another version are not resumed."""

_STOP_S: Final = 60.0

_log = logging.getLogger("gestaltgen.jobs")
_one_per_process = threading.Lock()  # DBOS is one per process, and would quietly serve the first state folder


@dataclass(frozen=True)
class Job:
    """One attempt at an image set.

    Args:
        created_ms: when it was asked for, Unix time.
        images_per_s: rendering and storing, over what this job has done; None before the first chunk.
        error: why it failed, or None.
    """

    id: str
    set_id: str
    state: State
    done: int
    total: int
    images_per_s: float | None
    error: str | None
    created_ms: int

    @property
    def finished(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def eta_s(self) -> float | None:
        """Seconds until it is done at the rate so far, or None."""
        if self.finished or not self.images_per_s:
            return None
        return (self.total - self.done) / self.images_per_s


class Jobs:
    """The queue and its workflow. One at a time in a process, because DBOS is one.

    Args:
        state: the service's state folder; the queue is `jobs.sqlite` in it.
        store: where image sets go.
        worker: renders.
        max_images: limit that requests were planned with.
        concurrent_sets: workflows that run at once.
    """

    def __init__(self, state: Path, store: Store, worker: Worker, *, max_images: int, concurrent_sets: int) -> None:
        if not _one_per_process.acquire(blocking=False):
            raise RuntimeError("a service already runs in this process; stop it, or start this one in its own process")
        self._store = store
        self._worker = worker
        self._max_images = max_images
        self._stopping = False
        self._active = 0
        self._idle = threading.Condition()
        self._plans: dict[str, Plan] = {}
        try:
            self._workflow = self._launch(state / "jobs.sqlite", concurrent_sets)
        except BaseException:
            DBOS.destroy(destroy_registry=True)
            _one_per_process.release()
            raise

    def submit(self, plan: Plan) -> Job | None:
        """Start or go on with an image set; None if it is complete already."""
        if self._store.is_complete(plan.id):
            return None
        total = len(plan.rows)
        self._store.begin(StoredRequest(plan.id, total, plan.asked, plan.resolved))
        latest = self.latest(plan.id)
        if latest is None or (latest.finished and not self._store.is_complete(plan.id)):
            self._plans[plan.id] = plan
            attempt = 1 if latest is None else _attempt(latest.id) + 1
            with SetWorkflowID(f"{plan.id}-{attempt}"):
                DBOS.enqueue_workflow(_QUEUE, self._workflow, plan.id, total)
            latest = self.latest(plan.id)
        return latest

    def latest(self, set_id: str) -> Job | None:
        """The last attempt at an image set."""
        found = DBOS.list_workflows(workflow_id_prefix=f"{set_id}-", load_input=False, load_output=True)
        return self._job(max(found, key=lambda status: _attempt(status.workflow_id))) if found else None

    def get(self, job_id: str) -> Job | None:
        """A job by its id."""
        status = DBOS.get_workflow_status(job_id)
        return self._job(status) if status else None

    def recent(self, limit: int, offset: int) -> tuple[list[Job], bool]:
        """Jobs, the newest first, and whether there are more; jobs of deleted sets are left out, but counted."""
        found = DBOS.list_workflows(sort_desc=True, limit=limit + 1, offset=offset, load_input=False, load_output=True)
        return [job for job in map(self._job, found[:limit]) if job is not None], len(found) > limit

    def cancel(self, job_id: str) -> None:
        """Stop a job after the chunk in hand; nothing happens to a finished one."""
        DBOS.cancel_workflow(job_id)

    def close(self) -> None:
        """Stop after the chunks in hand; unfinished jobs go on when the service starts again."""
        self._stopping = True
        self._worker.close()
        with self._idle:
            if not self._idle.wait_for(lambda: self._active == 0, timeout=_STOP_S):
                _log.warning("%d jobs did not stop within %g s", self._active, _STOP_S)
        DBOS.destroy(destroy_registry=True)
        _one_per_process.release()

    def _launch(self, database: Path, concurrent_sets: int) -> Callable[[str, int], None]:
        url = f"sqlite:///{database}"
        _quieten_dbos()
        _prepare(database, url, concurrent_sets)
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

        def image_set(set_id: str, total: int) -> None:
            with self._counted():
                self._make(set_id, total)

        workflow = DBOS.workflow(name="image_set")(image_set)
        DBOS.launch()
        return workflow

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

    def _make(self, set_id: str, total: int) -> None:
        """The workflow: every chunk, then the seal."""
        rendered, seconds = 0, 0.0
        try:
            for start, stop in chunks(total, CHUNK_IMAGES):
                step = DBOS.run_step({"name": "chunk"}, self._chunk, set_id, start, stop)
                rendered, seconds = rendered + step["rendered"], seconds + step["seconds"]
                rate = rendered / seconds if rendered else None
                DBOS.set_event("progress", {"done": stop, "images_per_s": rate})
            DBOS.run_step({"name": "seal"}, self._seal, set_id, total)
            _log.info("image set %s: %d images, %.0f images/s", set_id[:16], total, rendered / (seconds or 1))
        except Exception as error:
            _log.error("image set %s failed", set_id[:16], exc_info=not isinstance(error, GestaltError))
            raise
        finally:
            self._plans.pop(set_id, None)

    def _chunk(self, set_id: str, start: int, stop: int) -> dict[str, Any]:
        """Render and store images [start, stop), unless they are there unharmed."""
        if self._stopping:
            raise Stopping
        began = time.perf_counter()
        if self._store.has_chunk(set_id, start, stop):
            return {"rendered": 0, "seconds": 0.0}
        plan, weights = self._plan(set_id), self._worker.loaded().info.weights_sha256
        rendered = make_chunk(self._store, plan, start, stop, self._worker.render, weights)
        return {"rendered": rendered, "seconds": time.perf_counter() - began}

    def _seal(self, set_id: str, total: int) -> None:
        """Verify every image against its checksum, make anew what is damaged, and publish the set."""
        if self._store.is_complete(set_id):
            return
        for start, stop in chunks(total, CHUNK_IMAGES):
            self._chunk(set_id, start, stop)
        self._store.seal(set_id, (start for start, _ in chunks(total, CHUNK_IMAGES)))

    def _plan(self, set_id: str) -> Plan:
        plan = self._plans.get(set_id)
        if plan is None:
            request = self._store.request(set_id)
            if request is None:
                raise GestaltError(f"image set {set_id} is not in the state folder; post the request again")
            plan = self._worker.loaded().plan(request.asked, self._max_images)
            if plan.id != set_id:
                raise GestaltError(
                    f"image set {set_id} was asked of other weights or another version of the software, and "
                    f"would now be {plan.id}; start the service with the weights it was asked of"
                )
            self._plans[set_id] = plan
        return plan

    def _job(self, status: WorkflowStatus) -> Job | None:
        job_id, state = status.workflow_id, _STATES[status.status]
        set_id = job_id.rpartition("-")[0]
        request = self._store.request(set_id)
        if request is None:
            return None
        progress = DBOS.get_event(job_id, "progress", timeout_seconds=0) or {"done": 0, "images_per_s": None}
        return Job(
            id=job_id,
            set_id=set_id,
            state=state,
            done=request.images if state == "done" else progress["done"],
            total=request.images,
            images_per_s=progress["images_per_s"],
            error=str(status.error) if status.error else None,
            created_ms=status.created_at or 0,
        )


def _quieten_dbos() -> None:
    """Hear of the queue's troubles only; how workflows end, which its `_core` reports, is logged here."""
    log = logging.getLogger("dbos")
    log.setLevel(logging.WARNING)
    log.addFilter(_not_of_workflows)


def _not_of_workflows(record: logging.LogRecord) -> bool:
    return record.module != "_core"


def _attempt(job_id: str) -> int:
    return int(job_id.rpartition("-")[2])


def _prepare(database: Path, url: str, concurrent_sets: int) -> None:
    """Make the database and the queue, which launch then listens to at once; a later one it finds later."""
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode=WAL")  # stays with the file; writers no longer stop readers
    connection.close()
    DBOS.migrate(url)
    client = DBOSClient(system_database_url=url, application_name=_APPLICATION)
    try:
        client.register_queue(_QUEUE, worker_concurrency=concurrent_sets, polling_interval_sec=0.1)
    finally:
        client.destroy()
