"""Images over HTTP, from asking to the last verified image, beside the bare generator in the same run."""

from __future__ import annotations

import itertools

from benchmarks.timing import images_per_s, show
from gen import checkpoint
from gen.imagesets import ImageSetRequest, expand
from gen.precision import DTYPES, Precision
from gen.sampler import Sampler
from gestaltgen import Client
from gestaltgen.demo import running_service
from weights import default

PERSONS = 60


def main() -> None:
    net = checkpoint.load_generator(default())
    vocabulary = net.config.vocabulary
    assert vocabulary is not None
    seeds = itertools.count()
    with running_service(default()) as url, Client(url) as client:

        def bare(precision: Precision) -> int:
            request = ImageSetRequest("age_progression", ("WS",), count=PERSONS, seed=next(seeds), precision=precision)
            rows = expand(request, vocabulary, {})
            Sampler(net, precision=precision).render(rows, request)
            return len(rows)

        def over_http(precision: Precision) -> int:
            asked = client.create(
                kind="age_progression", conditions=["WS"], count=PERSONS, seed=next(seeds), precision=precision
            )
            return sum(1 for _ in asked.wait())

        variants = {}
        for precision in DTYPES:
            variants[f"generator alone, {precision}"] = lambda p=precision: bare(p)
            variants[f"over HTTP, {precision}"] = lambda p=precision: over_http(p)
        show(f"service, sets of {5 * PERSONS} images", images_per_s(variants, rounds=3))
