"""Generator as the service needs it: its description, its plans of image sets, and its faces."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from core.errors import MissingPackageError
from core.seen_images import SeenImages
from editing.direction_info import DirectionInfo
from faces.conditions.catalogue import Identifiers

if TYPE_CHECKING:  # they bring PyTorch with them
    from api.models.training_people import TrainingPeopleGuard
    from editing.face_editor import FaceEditor
    from gen.imagesets import Draws
    from inversion.result import Inversion

Pixels = npt.NDArray[np.uint8]


def check_editing_installed() -> None:
    """Check that PyTorch is installed, which editing and inversion need.

    Raises:
        MissingPackageError: it is not.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingPackageError("torch", "editing and inversion of faces")


class Row(Protocol):
    """Image to be rendered, with its label."""

    def to_json(self) -> dict[str, Any]:
        """Return the row as a mapping for JSON."""
        ...


@dataclass(frozen=True)
class RenderPlan:
    """Plan of an image set, from which it is rendered.

    Args:
        id: hash of the resolved request, weights included; it identifies the set.
        model: name of the generator.
        asked: fields of the request, with the precision that "auto" stands for; they give the same plan on any machine.
        resolved: the request with all defaults, for JSON.
        rows: rows to render, in order.
        request: the request in the generator's own form.
        alike: equal for plans whose rows can be rendered in one batch.
        direction: name of the direction along which all faces are moved; None for the faces as they are.
        strength: units by which they are moved.
        draws: who can be drawn for a filtered request; None for one that keeps all images. The rows of a filtered plan
            are those of a set without a filter, until it is selected (`api.image_sets.selection`).
        scored: whether the manifest has scores of the images.
        scores: scores of all images that a selection has computed, by the row without its index (`identify_row`).
    """

    id: str
    model: str
    asked: Mapping[str, Any]
    resolved: Mapping[str, Any]
    rows: Sequence[Row]
    request: Any
    alike: Hashable
    direction: str | None = None
    strength: float = 0.0
    draws: Sequence[Draws] | None = None
    scored: bool = False
    scores: Mapping[str, Mapping[str, Any]] | None = None

    def move(self, direction: str, strength: float) -> Self:
        """Return the plan of the same faces moved along a direction. Such a plan has no image set."""
        return replace(self, direction=direction, strength=strength, alike=(self.alike, direction, strength))


def identify_row(row: Mapping[str, Any]) -> str:
    """Return a row, or a line of a manifest, as text that says its person and label, and is equal in any set."""
    return json.dumps([row["seed"], row["condition"], row["age_group"], row["step"], row["soft_label"]], default=list)


@dataclass(frozen=True)
class AgeRange:
    """Age group [from_years, to_years); to_years is None if it is open."""

    name: str
    from_years: float
    to_years: float | None


@dataclass(frozen=True)
class ModelInfo:
    """Description of a generator.

    Args:
        name: name under which it is served.
        weights_sha256: checksum of its checkpoint.
        age_steps: calibrated steps of age progressions by condition; empty if there are none.
        has_inverter: whether it has an inverter; without one, photographs are inverted by tuning.
        identifiers: identifiers of the conditions in OMIM, ORPHA and MONDO, as far as they are known.
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
    age_steps: Mapping[str, Sequence[float]] = field(default_factory=dict)
    has_inverter: bool = True
    identifiers: Identifiers = field(default_factory=dict)


class Model(Protocol):
    """Generator of image sets. Planning is pure and can run in any thread; only one thread renders.

    Attributes:
        size_bytes: memory that its weights need.
    """

    size_bytes: int

    @property
    def info(self) -> ModelInfo:
        """Description of the generator."""
        ...

    @property
    def guard(self) -> TrainingPeopleGuard | None:
        """Guard that finds images too near to a person of the training data; None if the generator has none."""
        ...

    def plan(self, asked: Mapping[str, Any], max_images: int) -> RenderPlan:
        """Expand the fields of a request into a plan.

        Raises:
            RequestError: a field is invalid, or the set would have more than `max_images` images.
        """
        ...

    def describe(self, plan: RenderPlan, row: Row) -> dict[str, Any]:
        """Return everything besides the weights that determines the image of a row, for JSON.

        It is the same in any set and at any index, and names the `precision`.
        """
        ...

    def render(self, plan: RenderPlan, rows: Sequence[Row]) -> Pixels:
        """Render rows of plans that are alike, as uint8 (n, h, w, 3) RGB; loads the weights if need be."""
        ...

    def read_seen_images(self) -> SeenImages:
        """Read the keys of the images that it was trained on; there can be very many."""
        ...

    def read_cards(self) -> Mapping[str, str]:
        """Read what is written about it, and about each network that belongs to it, in Markdown, by their roles."""
        ...

    def directions(self) -> Sequence[DirectionInfo]:
        """Return the directions along which faces can be edited; may be empty."""
        ...

    @property
    def face_editor(self) -> FaceEditor:
        """Editor that inverts and edits faces, loaded if need be."""
        ...

    def face(self, plan: RenderPlan, row: Row) -> Inversion:
        """Return the face of a row, for editing."""
        ...

    def release(self) -> None:
        """Release the weights from memory until they are used again."""
        ...
