"""What the service asks of a generator, and the one generator there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


class Row(Protocol):
    """One image to be made, with its label."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Plan:
    """An image set before it is rendered.

    Args:
        id: hash of the resolved request, weights included; names the set for ever.
        asked: the fields that the caller gave; planning them again gives this plan again.
        resolved: the request with every default spelt out, JSON-able.
        rows: what to render, in order.
        request: the generator's own form of the request.
    """

    id: str
    asked: Mapping[str, Any]
    resolved: Mapping[str, Any]
    rows: Sequence[Row]
    request: Any


@dataclass(frozen=True)
class AgeRange:
    """An age group [from_years, to_years); to_years is None where it is open."""

    name: str
    from_years: float
    to_years: float | None


@dataclass(frozen=True)
class ModelInfo:
    """What is known about the weights."""

    weights_sha256: str
    resolution: int
    conditions: tuple[str, ...]
    ages: tuple[AgeRange, ...]
    origin: str
    licence: str
    images_seen: int | None
    training_counts: Mapping[str, Mapping[str, int]]


class Model(Protocol):
    """A generator of image sets. Planning is pure and may run in any thread; only one thread renders."""

    @property
    def info(self) -> ModelInfo: ...

    def plan(self, asked: Mapping[str, Any], max_images: int) -> Plan:
        """Expand the fields of a request.

        Raises:
            RequestError: a field that cannot be, or more than `max_images` images.
        """
        ...

    def render(self, plan: Plan, rows: Sequence[Row]) -> Pixels:
        """The images of some of the plan's rows, uint8 (n, h, w, 3) RGB."""
        ...
