"""The service as a whole: one job of some hundred images, from its submission to the last stored file.

`python -m benchmarks service --part throughput` compares it with the bare generator, on a large job.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import torch

from benchmarks.harness.comparing import MeasurementPlan
from benchmarks.harness.entries import BenchmarkEntry
from benchmarks.load.serving import make_scratch_folder, run_service
from core.precision import PRECISIONS
from gestaltgen_client import Client

IMAGES: Final = 300
AGES: Final = 5
"""Images of a person in an age progression."""


def measure(plan: MeasurementPlan) -> Iterator[BenchmarkEntry]:
    threads = torch.get_num_threads()
    with (
        make_scratch_folder() as folder,
        run_service(folder / "state", threads=threads) as service,
        Client(service.url) as client,
    ):
        for precision in PRECISIONS:
            fields: dict[str, Any] = {"kind": "age_progression", "conditions": ["WS"], "precision": precision}
            client.create(**fields, count=64 // AGES, seed=1).wait()
            began = time.perf_counter()
            client.create(**fields, count=IMAGES // AGES, seed=1_000).wait()
            taken = time.perf_counter() - began
            yield BenchmarkEntry("service", precision, 1, None, taken / IMAGES, machine=plan.machine)
