"""What `GET /metrics` says, to be asked for single figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.operations.metrics import MEDIA_TYPE


@dataclass(frozen=True)
class Figures:
    """One export."""

    text: str

    @property
    def families(self) -> list[Metric]:
        return list(text_string_to_metric_families(self.text))

    def of(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name that have these labels; 0 without any."""
        samples = [sample for family in self.families for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def label_values(self) -> set[str]:
        return {value for family in self.families for sample in family.samples for value in sample.labels.values()}


def figures(http: httpx.Client) -> Figures:
    answer = http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    return Figures(answer.text)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
