"""Worker: the thread that loads the generators and renders in batches, and the one beside it for photographs."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np

from api.jobs.fair_queue import FairQueue
from api.jobs.work import Stopping
from api.models.model import Pixels, RenderPlan, Row
from api.models.pool import Models
from api.operations.metrics import Metrics, Turn
from api.problem_types import ProblemType
from api.problems import Problem

BATCH: Final = 32
"""Images rendered at a time: rows of several small requests together, or a slice of a large one."""

PROBE_EVERY_S: Final = 15.0
"""Seconds for which a made image proves that the model works."""
_NICENESS: Final = 5
_log = logging.getLogger("gestaltgen.worker")
_T = TypeVar("_T")


@dataclass(eq=False)
class _Task:
    """Function to call with the generators, and the future of its result."""

    work: Callable[[Models], Any]
    done: Future[Any] = field(default_factory=Future)


@dataclass(eq=False)
class _Rows:
    """Rows to render, and what becomes of their images.

    Attributes:
        done: all images at the end; None where they were handed on as they were rendered.
        arriving: gets each slice of images, and None at the end; without it the slices are kept in `parts`.
        rendered: number of images rendered so far.
    """

    plan: RenderPlan
    rows: Sequence[Row]
    done: Future[Pixels | None] = field(default_factory=Future)
    arriving: SimpleQueue[Pixels | None] | None = None
    parts: list[Pixels] = field(default_factory=list)
    rendered: int = 0

    def add(self, images: Pixels) -> None:
        """Add the next slice; the last one completes the request."""
        self.rendered += len(images)
        if self.arriving is None:
            self.parts.append(images)
        else:
            self.arriving.put(images)
        if self.rendered == len(self.rows):
            self.done.set_result(None if self.arriving is not None else np.concatenate(self.parts))


_Queue: TypeAlias = deque[_Rows | _Task] | FairQueue[_Rows] | FairQueue[_Task]


class Worker:
    """Threads that render and compute for the whole process.

    One thread renders. Small requests that wait together and are alike are rendered in one batch. They alternate with
    slices of large requests. The slices of a request are always the same, so that a large set has the same bytes
    however busy the service is. Large requests of several owners are served in turn (`api.jobs.fair_queue`), so that
    nobody waits behind all jobs of another owner.

    The second thread calls functions that take long, such as the inversion of a photograph, for owners in turn and at
    a lower priority, so that no image waits for them.

    Args:
        load: opens the generators; runs in the worker's thread.
        metrics: metrics of the service.

    Attributes:
        stopping: whether `close` was called; nothing more is taken.
    """

    def __init__(self, load: Callable[[], Models], metrics: Metrics | None = None) -> None:
        self._load = load
        self._metrics = metrics or Metrics()
        self._models: Future[Models] = Future()
        self._turn = threading.Condition()
        self._small: deque[_Rows | _Task] = deque()
        self._large: FairQueue[_Rows] = FairQueue()
        self._tasks: FairQueue[_Task] = FairQueue()
        self.stopping = False
        self._proof = (-math.inf, "it has not made one yet")
        self._proving = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, name="gestaltgen-worker"),
            threading.Thread(target=self._run_tasks, name="gestaltgen-tasks"),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def loading(self) -> bool:
        """Whether the generators are still being opened."""
        return not self._models.done()

    @property
    def failure(self) -> str | None:
        """Reason why the generators could not be opened, or None."""
        if not self._models.done():
            return None
        error = self._models.exception()
        return None if error is None else f"{type(error).__name__}: {error}"

    @property
    def waiting(self) -> dict[Turn, int]:
        """Number of small and large requests that wait."""
        return {"small": len(self._small), "large": len(self._large) + len(self._tasks)}

    @property
    def models(self) -> Models:
        """The generators.

        Raises:
            Problem: 503 while they are being opened, or could not be.
        """
        if self.failure is not None:
            raise Problem(ProblemType.MODEL_UNUSABLE, f"The weights could not be loaded: {self.failure}")
        if self.loading:
            raise Problem(
                ProblemType.MODELS_LOADING, "The weights are being loaded; try again.", headers={"Retry-After": "1"}
            )
        return self._models.result()

    def wait_for_models(self) -> Models:
        """Wait until the generators are open, and return them; for jobs that continue after a restart.

        Raises:
            Stopping: they could not be opened; the job is not at fault, and waits for a service with weights.
        """
        try:
            return self._models.result()
        except Exception as error:
            raise Stopping from error

    def render(self, plan: RenderPlan, rows: Sequence[Row], *, small: bool = False) -> Pixels:
        """Render rows of a plan as uint8 (n, h, w, 3); blocks until they are rendered.

        Args:
            small: somebody waits for the images, and they may share a batch with others.

        Raises:
            Stopping: the service shuts down.
        """
        images: Pixels = self._wait(_Rows(plan, rows), self._small if small and len(rows) <= BATCH else self._large)
        return images

    def render_each(self, plan: RenderPlan, rows: Sequence[Row]) -> Iterator[Pixels]:
        """Queue rows of a plan at once, and return an iterator of their images, each slice as soon as it is rendered.

        Raises:
            Stopping: the service shuts down.
        """
        arriving: SimpleQueue[Pixels | None] = SimpleQueue()
        item = _Rows(plan, rows, arriving=arriving)
        # No reference to the item: a circle would keep its images until the garbage collector finds it.
        item.done.add_done_callback(lambda _: arriving.put(None))
        self._put(item, self._large)
        return _iterate_arriving(arriving, item.done)

    def call(self, work: Callable[[Models], _T], *, small: bool = False) -> _T:
        """Call a function with the generators in a thread of the worker's, and return its result.

        Args:
            small: it is short, and called between batches of images.

        Raises:
            Stopping: the service shuts down.
        """
        found: _T = self._wait(_Task(work), self._small if small else self._tasks)
        return found

    def check_renders(self, *, probe: bool = True) -> None:
        """Check that the default generator can render an image.

        The last result counts if it is recent, or while another thread checks.

        Args:
            probe: render an image if the last result is old; otherwise that counts too, and nothing is waited for.

        Raises:
            Problem: 503, it cannot.
        """
        self.models  # noqa: B018  raises the problem that says why not
        seen, trouble = self._proof
        if probe and time.monotonic() - seen > PROBE_EVERY_S and self._proving.acquire(blocking=False):
            try:
                trouble = self.call(_find_trouble, small=True)
                self._proof = (time.monotonic(), trouble)
            finally:
                self._proving.release()
        if trouble:
            raise Problem(ProblemType.MODEL_UNUSABLE, f"The model cannot make an image: {trouble}")

    def close(self) -> None:
        """Finish requests that have begun and drop those that wait."""
        with self._turn:
            self.stopping = True
            self._turn.notify_all()
        for thread in self._threads:
            thread.join()

    def _wait(self, item: Any, queue: _Queue) -> Any:
        self._put(item, queue)
        return item.done.result()

    def _put(self, item: Any, queue: _Queue) -> None:
        with self._turn:
            if self.stopping:
                raise Stopping
            queue.append(item)
            self._turn.notify_all()

    def _run(self) -> None:
        try:
            models = self._load()
            self._models.set_result(models)
        except Exception as error:
            _log.error("the weights could not be loaded: %s", error)
            self._models.set_exception(error)
        with self._turn:
            self._turn.notify_all()
        large_next = False
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self.stopping or self._small or self._large)
                if self.stopping and not _has_begun(self._large.next):
                    break
                large = bool(self._large) and (large_next or not self._small or self.stopping)
                large_next = not large
                work = partial(self._render_slice, *self._large.pop()) if large else self._take_small()
            work()
        for item in [*self._small, *self._large]:
            item.done.set_exception(Stopping())

    def _run_tasks(self) -> None:
        _lower_priority()
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self.stopping or (self._tasks and not self.loading))
                if self.stopping:
                    break
                _, task = self._tasks.pop()
            self._do(task)
        for task in self._tasks:
            task.done.set_exception(Stopping())

    def _take_small(self) -> partial[None]:
        """Take the first small request from the queue, and those that fit into one batch with it."""
        first = self._small.popleft()
        if isinstance(first, _Task):
            return partial(self._do, first)
        room, batch = BATCH - len(first.rows), [first]
        for item in list(self._small):
            if isinstance(item, _Rows) and item.plan.alike == first.plan.alike and len(item.rows) <= room:
                room -= len(item.rows)
                batch.append(item)
                self._small.remove(item)
        return partial(self._render_together, batch)

    def _render_together(self, batch: Sequence[_Rows]) -> None:
        try:
            images = self._render_batch("small", [(item.plan, item.rows) for item in batch])
        except Exception as error:
            for item in batch:
                item.done.set_exception(error)
            return
        ends = np.cumsum([len(item.rows) for item in batch])
        for item, part in zip(batch, np.split(images, ends[:-1]), strict=True):
            item.done.set_result(part)

    def _render_slice(self, owner: str, item: _Rows) -> None:
        """Render one slice of a large request, which is then next among the large ones."""
        try:
            part = item.rows[item.rendered : item.rendered + BATCH]
            item.add(self._render_batch("large", [(item.plan, part)]))
        except Exception as error:
            item.done.set_exception(error)
            return
        if item.rendered < len(item.rows):
            with self._turn:
                self._large.put_back(owner, item)

    def _render_batch(self, turn: Turn, parts: Sequence[tuple[RenderPlan, Sequence[Row]]]) -> Pixels:
        """Render rows of plans that are alike as one batch."""
        plan, rows = parts[0][0], [row for _, some in parts for row in some]
        with self._metrics.render_seconds.labels(plan.model).time():
            images = self._models.result().use(plan.model).render(plan, rows)
        self._metrics.batch_images.labels(turn).observe(len(rows))
        for of, some in parts:
            self._metrics.images.labels(of.resolved["kind"], of.model).inc(len(some))
        return images

    def _do(self, task: _Task) -> None:
        try:
            with self._metrics.task_seconds.time():
                found = task.work(self._models.result())
            task.done.set_result(found)
        except Exception as error:
            task.done.set_exception(error)


def _iterate_arriving(arriving: SimpleQueue[Pixels | None], done: Future[Pixels | None]) -> Iterator[Pixels]:
    while (part := arriving.get()) is not None:
        yield from part
    done.result()  # raises what went wrong


def _lower_priority() -> None:
    """Let the threads of requests and of rendering go before this one, and those that it starts."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS)


def _has_begun(item: _Rows | None) -> bool:
    return item is not None and item.rendered > 0


def _find_trouble(models: Models) -> str:
    """Return why the default generator cannot render an image; empty if it can."""
    try:
        if not models.default.info.conditions:  # its first photograph shows whether it works
            return ""
        images = models.render_probe()
    except Exception as error:
        _log.exception("the default model cannot make an image")
        return f"{type(error).__name__}: {error}"
    side = models.default.info.resolution
    return "" if images.shape == (1, side, side, 3) and images.std() > 0 else "it makes blank images"
