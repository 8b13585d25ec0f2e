"""What the service asks of a generator, and the plans that it makes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # they bring PyTorch with them
    from editing.directions import Direction
    from editing.entanglement import DirectionEffects
    from editing.face_editor import FaceEditor
    from inversion.result import Inversion

Pixels = npt.NDArray[np.uint8]


class Row(Protocol):
    """One image to be made, with its label."""

    def to_json(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class RenderPlan:
    """An image set before it is rendered.

    Args:
        id: hash of the resolved request, weights included; names the set for ever.
        model: name of the generator.
        asked: the fields that the caller gave, with a precision that was left to the hardware settled; planning them
            again, on any machine, gives this plan again.
        resolved: the request with every default spelt out, JSON-able.
        rows: what to render, in order.
        request: the generator's own form of the request.
        alike: equal for plans whose rows may be rendered in one batch.
    """

    id: str
    model: str
    asked: Mapping[str, Any]
    resolved: Mapping[str, Any]
    rows: Sequence[Row]
    request: Any
    alike: Hashable


@dataclass(frozen=True)
class AgeRange:
    """An age group [from_years, to_years); to_years is None where it is open."""

    name: str
    from_years: float
    to_years: float | None


@dataclass(frozen=True)
class ModelInfo:
    """What is known about the weights.

    Args:
        seen: short keys of the images that they were trained on; None where nothing is known.
        seen_complete: these are all.
    """

    name: str
    weights_sha256: str
    resolution: int
    conditions: tuple[str, ...]
    ages: tuple[AgeRange, ...]
    origin: str
    licence: str
    images_seen: int | None
    training_counts: Mapping[str, Mapping[str, int]]
    seen: frozenset[str] | None = None
    seen_complete: bool = False


class Model(Protocol):
    """A generator of image sets. Planning is pure and may run in any thread; only one thread renders.

    Attributes:
        size_bytes: of its weights.
    """

    size_bytes: int

    @property
    def info(self) -> ModelInfo: ...

    def plan(self, asked: Mapping[str, Any], max_images: int) -> RenderPlan:
        """Expand the fields of a request.

        Raises:
            RequestError: a field that cannot be, or more than `max_images` images.
        """
        ...

    def describe(self, plan: RenderPlan, row: Row) -> dict[str, Any]:
        """All that an image of one of the plan's rows follows from, beside the weights: JSON-able, the same in any set
        and at any place in it, and with its `precision`."""
        ...

    def render(self, plan: RenderPlan, rows: Sequence[Row]) -> Pixels:
        """The images of rows of plans that are alike, uint8 (n, h, w, 3) RGB; loads the weights if need be."""
        ...

    def directions(self) -> Sequence[tuple[Direction, DirectionEffects | None]]:
        """What its faces can be edited along, and what each moves; none where nothing can be edited."""
        ...

    @property
    def studio(self) -> FaceEditor:
        """What inverts and edits its faces, loaded if need be."""
        ...

    def face(self, plan: RenderPlan, row: Row) -> Inversion:
        """The face of a row, to be edited."""
        ...

    def release(self) -> None:
        """Let go of the weights until they are used again."""
        ...
