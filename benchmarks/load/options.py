"""Options of the measurements of the service."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LoadOptions:
    """How much load the measurements make.

    Attributes:
        images: number of images of the large job.
        requests: number of small requests that are timed.
        sets: number of small sets beside a large one.
        gigabytes: gigabytes to download.
        kills: number of kills of the service.
        kill_images: number of images of the set meanwhile.
        examples: number of examples for each operation.
        schemathesis: command of Schemathesis, if it is not on the PATH.
        seed: seed of the kills and examples.
        attack_seconds: seconds of each flood.
        flood: only these floods; empty for all.
    """

    images: int = 20_000
    requests: int = 500
    sets: int = 20
    gigabytes: float = 5.0
    kills: int = 20
    kill_images: int = 8_000
    examples: int = 30
    schemathesis: str | None = None
    seed: int = 1
    attack_seconds: float = 10.0
    flood: tuple[str, ...] = ()
