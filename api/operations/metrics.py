"""Prometheus metrics of the service: amounts, times and reasons of refusal, but nothing about persons.

No label holds an owner, a key, an id, a path or a file name from a request. Label values come from code, from the
routes, or from the names of the generators that are served.
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

from api.refusal_reasons import Reason

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the Prometheus text format."""

PREFIX: Final = "gestaltgen_"
UNKNOWN_ROUTE: Final = "unknown"

Turn = Literal["small", "large"]
"""Kind of a batch: small requests that somebody waits for share one; a large request is rendered in slices."""
Outcome = Literal["done", "refused", "failed", "cancelled"]
"""How a job ends; "refused" if the request cannot be carried out."""
Unusable = Literal["undecodable", "no_face", "unsuitable"]
"""Why a photograph cannot be used; "unsuitable" if its face is too small, or an aligned picture is not square."""
Cause = Literal["request", "retention", "not_accepted", "repeated", "other"]
"""Why a photograph is erased: on request, at the end of its retention time, or because the queue was full."""
Figures = Literal["queue", "retention", "models", "disk"]
"""Groups of figures that are looked up for each export."""

_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

_BATCH_IMAGES: Final = (1, 2, 4, 8, 16, 24, 32)
_ENCODE_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_WORK_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LEAST_MEASURED: Final = 64
"""Images after which their average time is stated."""

_PART_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Metrics of one service, in a registry of their own.

    Momentary values, such as the length of the queue, are not stored here but looked up for each `export`; see
    `api.routes.metrics`.

    Args:
        job_kinds: values of the label `kind` of jobs, so that each counter begins at zero; others may be counted too.
    """

    def __init__(self, job_kinds: Iterable[str] = ()) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        Info(f"{PREFIX}build", "Version of the software.", registry=self._registry).info(
            {"version": _software_version()}
        )

        self._requests = self._counter("http_requests", "Requests answered.", method=(), route=(), status=())
        self._request_seconds = self._histogram(
            "http_request_seconds", "From a request to the end of its answer.", _WORK_S, "method", "route"
        )
        self._rejected = self._counter("rejected", "Requests refused, health checks included.", reason=get_args(Reason))

        self._jobs = self._counter("jobs", "Jobs that ended.", kind=job_kinds, outcome=get_args(Outcome))
        self.part_seconds = self._histogram(
            "job_part_seconds", "One part of a job, waiting for its turn included.", _PART_S, "kind", "part"
        )
        self._photographs_refused = self._counter(
            "photographs_refused", "Photographs that were accepted but could not be used.", reason=get_args(Unusable)
        )
        self._erasures = self._counter(
            "erasures", "Photographs erased with all that is derived from them.", cause=get_args(Cause)
        )
        self.erasure_failures = self._counter(
            "erasure_failures", "Failed attempts to erase data whose time was over; they are repeated."
        )

        self.batch_images = self._histogram("batch_images", "Images in a batch.", _BATCH_IMAGES, "turn")
        self.render_seconds = self._histogram("render_seconds", "Rendering a batch.", _WORK_S, "model")
        self.task_seconds = self._histogram(
            "model_task_seconds",
            "Work of the networks other than rendering batches: an inversion, an edit, a test image.",
            _WORK_S,
        )
        self.images = self._counter("images", "Images rendered for image sets.", kind=(), model=())
        self.encode_seconds = self._histogram("encode_seconds", "Encoding an image of a set.", _ENCODE_S, "format")
        self.store_seconds = self._histogram("store_seconds", "Storing a chunk of up to 32 images.", _WORK_S)
        self.stored_images = self._counter(
            "stored_images", "Images stored in image sets, including those copied from other sets."
        )
        self.stored_bytes = self._counter("stored_bytes", "Bytes of the images stored.")

        self._lookup_failures = self._counter(
            "lookup_failures",
            "Groups of metrics that could not be determined for a scrape, and are missing from it.",
            figures=get_args(Figures),
        )

    def count_request(self, method: str, route: str, status: int, seconds: float, refused: Reason | None) -> None:
        """Count a request.

        Args:
            route: template of the route; `UNKNOWN_ROUTE` if none matched.
            refused: reason of the refusal, or None.
        """
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)
        if refused is not None:
            self._rejected.labels(refused).inc()

    def count_job(self, kind: str, outcome: Outcome) -> None:
        """Count a job that ended."""
        self._jobs.labels(kind, outcome).inc()

    def count_refused_photograph(self, because: Unusable) -> None:
        """Count a photograph that could not be used."""
        self._photographs_refused.labels(because).inc()

    def count_erasure(self, cause: Cause) -> None:
        """Count the erasure of a photograph."""
        self._erasures.labels(cause).inc()

    def count_lookup_failure(self, figures: Figures) -> None:
        """Count an export without some figures, which could not be looked up."""
        self._lookup_failures.labels(figures).inc()

    def measure_image_seconds(self, model: str) -> float | None:
        """Return the seconds that an image of a generator has taken on average: rendering, encoding and storing.

        None while too few images were made for an average, since the first batch includes opening the weights.
        """
        images = _add_samples(self.images, "_total", model=model)
        encoded = _add_samples(self.encode_seconds, "_count", format="png")
        stored = _add_samples(self.stored_images, "_total")
        if images < _LEAST_MEASURED or not encoded or not stored:
            return None
        return (
            _add_samples(self.render_seconds, "_sum", model=model) / images
            + _add_samples(self.encode_seconds, "_sum", format="png") / encoded
            + _add_samples(self.store_seconds, "_sum") / stored
        )

    def export(self, looked_up: Iterable[Metric] = ()) -> bytes:
        """Return all metrics in the Prometheus text format.

        Args:
            looked_up: metrics of momentary values.
        """
        return generate_latest(_Families([*self._registry.collect(), *looked_up]))

    def _counter(self, name: str, about: str, **labels: Iterable[str]) -> Counter:
        """Return a counter that begins at zero for each combination of known label values."""
        counter = Counter(PREFIX + name, about, tuple(labels), registry=self._registry)
        for values in product(*labels.values()) if labels else ():
            counter.labels(*values)
        return counter

    def _histogram(self, name: str, about: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(PREFIX + name, about, labels, registry=self._registry, buckets=buckets)


class _Families(Collector):
    """Collected metrics without the creation time of each counter, which nobody needs."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        for family in self._metrics:
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _add_samples(metric: Collector, suffix: str, **labels: str) -> float:
    """Add up the samples of a metric that have this ending of their name and these labels."""
    return sum(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith(suffix) and labels.items() <= sample.labels.items()
    )


def _software_version() -> str:
    try:
        return version("gestaltgen")
    except PackageNotFoundError:
        return "unknown"
