"""A model without a network: every image is a flat colour that follows from its row."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from api.models.model import AgeRange, ModelInfo, Pixels, RenderPlan
from api.models.model import Row as RowLike
from api.models.pool import Models
from api.settings import Settings
from core.errors import ImageSetTooLargeError, RequestError
from core.seen_images import UNKNOWN, SeenImages
from editing.direction_info import DirectionInfo
from faces.conditions.catalogue import identify_by_name
from faces.image_set_request import ImageSetRequest
from faces.labels import AGE_GROUPS, CONDITIONS
from gen.labels import Vocabulary

if TYPE_CHECKING:  # PyTorch, which processes of the tests' own need not import
    from editing.face_editor import FaceEditor
    from inversion.result import Inversion

AGES = tuple(age.name for age in AGE_GROUPS)


@dataclass(frozen=True)
class Row:
    index: int
    person: str
    seed: int
    condition: str
    age_group: str | None
    step: int | None
    soft_label: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"soft_label": list(self.soft_label)}


class FakeModel:
    """Age progressions of every condition, 8 px; `chunk_s` makes rendering slow, `broken` makes it fail.

    `rendered` counts images, but not the single ones by which a service proves that it can make some.
    """

    def __init__(
        self,
        chunk_s: float = 0.0,
        weights: str = "f" * 64,
        name: str = "fake",
        seen: frozenset[str] | None = None,
    ) -> None:
        self.chunk_s = chunk_s
        self.broken = False
        self.rendered = 0
        self._weights = weights
        self._name = name
        self._seen = seen
        self.size_bytes = 1
        self.guard = None

    @property
    def info(self) -> ModelInfo:
        return ModelInfo(
            name=self._name,
            weights_sha256=self._weights,
            resolution=8,
            conditions=CONDITIONS,
            ages=tuple(AgeRange(a.name, a.from_years, None) for a in AGE_GROUPS),
            origin="a test",
            licence="Apache-2.0",
            images_seen=None,
            training_counts={},
            identifiers=identify_by_name(CONDITIONS),
        )

    def plan(self, asked: Mapping[str, Any], max_images: int) -> RenderPlan:
        conditions = asked.get("conditions", CONDITIONS[:3])
        for name in conditions:
            if name not in CONDITIONS:
                raise RequestError("conditions", f"unknown condition {name!r}; expected one of {', '.join(CONDITIONS)}")
        count = asked.get("count", 2)
        if "total_images" in asked:
            names = {"kind", "conditions", "count", "seeds", "total_images"}
            request = ImageSetRequest.from_json({name: value for name, value in asked.items() if name in names})
            count = request.with_defaults(Vocabulary(CONDITIONS)).count or 0
        if count * len(conditions) * 5 > max_images:
            raise ImageSetTooLargeError("count", count * len(conditions) * 5, max_images)
        resolved = {
            "kind": asked["kind"],
            "conditions": list(conditions),
            "count": count,
            "seed": asked.get("seed", 0),
        }
        resolved |= {"weights_sha256": self._weights}
        rows = [
            Row(
                index=(i * count + person) * 5 + step,
                person=f"{condition}-{person}",
                seed=resolved["seed"] + person,
                condition=condition,
                age_group=AGES[step],
                step=step,
                soft_label=tuple(float(name == condition) for name in CONDITIONS),
            )
            for i, condition in enumerate(conditions)
            for person in range(count)
            for step in range(5)
        ]
        set_id = hashlib.sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()[:32]
        return RenderPlan(set_id, self._name, dict(asked), resolved, rows, None, self._weights)

    def describe(self, plan: RenderPlan, row: RowLike) -> dict[str, Any]:
        label = row.to_json()
        del label["index"]
        return label | {"precision": "float32"}

    def render(self, plan: RenderPlan, rows: Sequence[RowLike]) -> Pixels:
        if self.broken:
            raise RuntimeError("the model is broken")
        time.sleep(self.chunk_s)
        self.rendered += len(rows) if len(rows) > 1 else 0
        labels = [row.to_json() for row in rows]
        colours = [[row["seed"] % 256, 50 * row["step"], 60 * CONDITIONS.index(row["condition"])] for row in labels]
        return np.broadcast_to(np.array(colours, np.uint8)[:, None, None, :], (len(rows), 8, 8, 3)).copy()

    def read_seen_images(self) -> SeenImages:
        return UNKNOWN if self._seen is None else SeenImages(self._seen)

    def read_cards(self) -> Mapping[str, str]:
        return {"generator": "# Fake\n\nA [paper](https://example.org/) and <script>alert(1)</script>."}

    def directions(self) -> Sequence[DirectionInfo]:
        return ()

    @property
    def face_editor(self) -> FaceEditor:
        raise NotImplementedError

    def face(self, plan: RenderPlan, row: RowLike) -> Inversion:
        raise NotImplementedError

    def release(self) -> None:
        self.rendered = 0


def served(model: FakeModel) -> Callable[[Settings], Models]:
    """What opens a service's models: this one alone."""
    return lambda _: Models({"fake": model})
