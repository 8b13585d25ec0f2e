"""What the service counts of itself for Prometheus: how much, how long and why not; never whose, and never what.

No label has an owner, a key, an id, a path or the name of a file that was sent: each takes its values from code, from
the routes, or from the names of the generators that are served.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from typing import Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.access.ownership import Kind
from api.problem_types import Reason

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Of the Prometheus text format."""

PREFIX: Final = "gestaltgen_"
UNKNOWN_ROUTE: Final = "unknown"

Turn = Literal["small", "large"]
"""Requests that somebody waits for, which share batches; or slices of large ones."""
Outcome = Literal["done", "refused", "failed", "cancelled"]
"""How a job ends; refused, where what was asked for cannot be done."""
Unusable = Literal["undecodable", "no_face", "unsuitable"]
"""Why a photograph that was taken in cannot be used; unsuitable, where its face is too small, or it is no square."""
Cause = Literal["request", "retention", "not_accepted", "other"]
"""Why a photograph is erased: asked for, its time was over, or the queue did not take it."""
Figures = Literal["queue", "retention", "models", "disk"]
"""What is looked up for each export."""

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_BATCH_IMAGES: Final = (1, 2, 4, 8, 16, 24, 32)
_ENCODE_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_WORK_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_PART_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """The figures of one service, in a registry of their own.

    What is true at a moment, such as the length of the queue, is not kept here but looked up for each `export`; see
    `api.routes.metrics`.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        Info(f"{PREFIX}build", "Version of the software.", registry=self._registry).info({"version": _version()})

        self._requests = self._counter("http_requests", "Requests answered.", method=(), route=(), status=())
        self._request_seconds = self._histogram(
            "http_request_seconds", "From a request to the end of its answer.", _WORK_S, "method", "route"
        )
        self._rejected = self._counter("rejected", "Requests refused, health checks included.", reason=get_args(Reason))

        self._jobs = self._counter("jobs", "Jobs that ended.", kind=Kind, outcome=get_args(Outcome))
        self.part_seconds = self._histogram(
            "job_part_seconds", "One part of a job, waiting for its turn included.", _PART_S, "kind", "part"
        )
        self._photographs_refused = self._counter(
            "photographs_refused", "Photographs taken in that could not be used.", reason=get_args(Unusable)
        )
        self._erasures = self._counter(
            "erasures", "Photographs erased with all that is derived from them.", cause=get_args(Cause)
        )
        self.erasure_failures = self._counter(
            "erasure_failures", "Attempts to erase what was kept for its time that failed, and are repeated."
        )

        self.batch_images = self._histogram("batch_images", "Images in a batch.", _BATCH_IMAGES, "turn")
        self.render_seconds = self._histogram("render_seconds", "Rendering a batch.", _WORK_S, "model")
        self.task_seconds = self._histogram(
            "model_task_seconds", "What else the networks do at a time: an inversion, an edit, a proof.", _WORK_S
        )
        self.images = self._counter("images", "Images rendered for image sets.", kind=(), model=())
        self.encode_seconds = self._histogram("encode_seconds", "Encoding an image of a set.", _ENCODE_S, "format")
        self.store_seconds = self._histogram("store_seconds", "Storing a chunk of up to 32 images.", _WORK_S)
        self.stored_images = self._counter("stored_images", "Images stored in image sets, those of other sets too.")
        self.stored_bytes = self._counter("stored_bytes", "Bytes of the images stored.")

        self._lookup_failures = self._counter(
            "lookup_failures",
            "Figures that could not be looked up for an export, which is without them.",
            figures=get_args(Figures),
        )

    def request(self, method: str, route: str, status: int, seconds: float, refused: Reason | None) -> None:
        """Count a request.

        Args:
            route: its template; `UNKNOWN_ROUTE` where there is none.
            refused: why, or None.
        """
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)
        if refused is not None:
            self._rejected.labels(refused).inc()

    def job_ended(self, kind: Kind, outcome: Outcome) -> None:
        """Count a job."""
        self._jobs.labels(kind, outcome).inc()

    def photograph_refused(self, because: Unusable) -> None:
        """Count a photograph that could not be used."""
        self._photographs_refused.labels(because).inc()

    def erased(self, cause: Cause) -> None:
        """Count the erasure of a photograph."""
        self._erasures.labels(cause).inc()

    def lookup_failed(self, figures: Figures) -> None:
        """Count that some figures are missing in an export."""
        self._lookup_failures.labels(figures).inc()

    def export(self, looked_up: Iterable[Metric] = ()) -> bytes:
        """Everything in the Prometheus text format.

        Args:
            looked_up: what is true at the moment.
        """
        return generate_latest(_Families([*self._registry.collect(), *looked_up]))

    def _counter(self, name: str, about: str, **labels: Iterable[str]) -> Counter:
        """One that begins at nought for each combination of its labels' values, where these are known."""
        made = Counter(PREFIX + name, about, tuple(labels), registry=self._registry)
        for values in product(*labels.values()) if labels else ():
            made.labels(*values)
        return made

    def _histogram(self, name: str, about: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(PREFIX + name, about, labels, registry=self._registry, buckets=buckets)


class _Families(Collector):
    """What was collected, without the times at which each counter began, of which nobody asks."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        for family in self._found:
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _version() -> str:
    try:
        return version("gestaltgen")
    except PackageNotFoundError:
        return "unknown"
