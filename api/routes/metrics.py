"""Route for Prometheus: figures that were counted, and figures that are looked up for each request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from fastapi import APIRouter, Response
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from api.access.ownership import Kind
from api.dependencies import MetricsCaller, ServiceDep
from api.documented_responses import problem
from api.jobs.job_list import Load
from api.operations.clock import now_ms
from api.operations.metrics import MEDIA_TYPE, PREFIX, Figures
from api.resources import Resources

router = APIRouter(tags=["health"])

_SHORT: Final = 12
"""Digits of a checksum."""

_log = logging.getLogger("gestaltgen.metrics")


@router.get(
    "/metrics",
    summary="Figures",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {}}, "description": "In the Prometheus text format."},
        401: problem("A key is needed, unless the service lets anyone read."),
        403: problem("The key is for something else."),
    },
)
def metrics(service: ServiceDep, caller: MetricsCaller) -> Response:
    """Metrics of the service in the Prometheus format; none identifies an owner. A key with the scope `metrics` is
    required, unless `GESTALTGEN_METRICS=anyone` is set."""
    return Response(service.metrics.export(_look_up_figures(service)), media_type=MEDIA_TYPE)


def _look_up_figures(service: Resources) -> Iterator[Metric]:
    """Look up the figures of this moment. One that cannot be looked up is left out and counted: when the database is in
    trouble, an operator needs the rest."""
    for figures, look in _LOOKS.items():
        try:
            yield from list(look(service))
        except Exception:
            _log.exception("the figures of the %s could not be looked up", figures)
            service.metrics.count_lookup_failure(figures)


def _look_up_queue(service: Resources) -> Iterator[Metric]:
    waiting = _make_gauge("jobs_waiting", "Jobs that have not begun.", "kind")
    running = _make_gauge("jobs_running", "Jobs at work.", "kind")
    age = _make_gauge("queue_oldest_job_age_seconds", "For how long the first of the waiting jobs has waited.", "kind")
    loads, now = service.jobs.count_by_kind(), now_ms()
    for kind in Kind:
        load = loads.get(kind, Load(0, 0, None))
        waiting.add_metric([kind], load.waiting)
        running.add_metric([kind], load.running)
        age.add_metric([kind], 0 if load.oldest_ms is None else max(0, now - load.oldest_ms) / 1000)
    turns = _make_gauge("requests_waiting", "Requests that wait for the networks.", "turn")
    for turn, requests in service.worker.waiting.items():
        turns.add_metric([turn], requests)
    yield from (waiting, running, age, turns)


def _look_up_retention(service: Resources) -> Iterator[Metric]:
    overdue = _make_gauge(
        "retention_overdue", "Photographs and survey packs whose time is over, not erased yet.", "kind"
    )
    for kind, found in zip((Kind.PHOTO, Kind.STIMULI), service.eraser.find_expired(now_ms()), strict=True):
        overdue.add_metric([kind], len(found))
    yield overdue


def _look_up_models(service: Resources) -> Iterator[Metric]:
    """Look up the generators; there are none while they are being opened, or if they cannot be."""
    info = _make_gauge(
        "model_info", "A generator that is served, and its checksum's beginning; always 1.", "model", "weights"
    )
    loaded = _make_gauge("model_loaded", "Whether its weights are in memory.", "model")
    if not service.worker.loading and service.worker.failure is None:
        models = service.worker.models
        for model in models.infos:
            info.add_metric([model.name, model.weights_sha256[:_SHORT]], 1)
            loaded.add_metric([model.name], models.is_loaded(model.name))
    yield from (info, loaded)


def _look_up_disk(service: Resources) -> Iterator[Metric]:
    free = _make_gauge("state_free_bytes", "Room on the disk of the state folder.")
    free.add_metric([], service.free_space.measure())
    yield free


_LOOKS: Final[Mapping[Figures, Callable[[Resources], Iterator[Metric]]]] = {
    "queue": _look_up_queue,
    "retention": _look_up_retention,
    "models": _look_up_models,
    "disk": _look_up_disk,
}


def _make_gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, about, labels=labels)
