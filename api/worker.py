"""The one thread that owns the model: it loads it, and renders what the jobs hand it, in turn."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor

from api.model import Model, Pixels, Plan, Row
from api.problems import Problem

_log = logging.getLogger("gestaltgen.worker")


class Stopping(BaseException):
    """The service cannot go on. Not an Exception, which the queue would record as the job's failure."""


class Worker:
    """Renders in a thread of its own.

    Args:
        load: makes the model; runs in the worker's thread.
    """

    def __init__(self, load: Callable[[], Model]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gestaltgen-worker")
        self._loading: Future[Model] = self._thread.submit(_logged, load)
        self._stopping = False

    @property
    def loading(self) -> bool:
        """Whether it is still to be seen if the weights can be loaded."""
        return not self._loading.done()

    @property
    def failure(self) -> str | None:
        """Why the weights could not be loaded, or None."""
        if not self._loading.done():
            return None
        if self._loading.cancelled():
            return "the service shuts down"
        error = self._loading.exception()
        return None if error is None else f"{type(error).__name__}: {error}"

    @property
    def model(self) -> Model:
        """The model.

        Raises:
            Problem: 503 while the weights are not loaded, or could not be.
        """
        if self.failure is not None:
            raise Problem(503, f"The weights could not be loaded: {self.failure}")
        if not self._loading.done():
            raise Problem(503, "The weights are being loaded; try again.", headers={"Retry-After": "1"})
        return self._loading.result()

    def loaded(self) -> Model:
        """The model, waiting until it is loaded; for jobs that go on after a restart.

        Raises:
            Stopping: it could not be loaded; the job is not at fault, and waits for a service with weights.
        """
        try:
            return self._loading.result()
        except Exception as error:
            raise Stopping from error

    def render(self, plan: Plan, rows: Sequence[Row]) -> Pixels:
        """The images of some rows, uint8 (n, h, w, 3); waits its turn.

        Raises:
            Stopping: the service shuts down.
        """
        try:
            return self._thread.submit(lambda: self._loading.result().render(plan, rows)).result()
        except (CancelledError, RuntimeError) as error:
            if self._stopping:
                raise Stopping from error
            raise

    def close(self) -> None:
        """Finish the batch in hand and drop those that wait."""
        self._stopping = True
        self._thread.shutdown(wait=True, cancel_futures=True)


def _logged(load: Callable[[], Model]) -> Model:
    try:
        return load()
    except Exception as error:
        _log.error("the weights could not be loaded: %s", error)
        raise
