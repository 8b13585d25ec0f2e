"""Effort of an inversion that a caller asks for: its method, and the steps and the time of an optimisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from api.models.model import ModelInfo
from api.problems import make_field_problem
from core.precision import PrecisionChoice
from faces.images import Pixels, to_tensor

if TYPE_CHECKING:  # they bring PyTorch with them
    from editing.face_editor import FaceEditor
    from inversion.result import Inversion

MethodName: TypeAlias = Literal["hyperstyle", "tuning"]

MOST_SECONDS: Final = 60.0
"""Longest time of a part of an optimisation, and the time where none is named: others wait for the worker."""

MOST_STEPS: Final = 500


@dataclass(frozen=True)
class InversionEffort:
    """Effort of an inversion.

    Attributes:
        method: "hyperstyle", the inverter's networks, or "tuning", pivotal tuning; None takes the networks where the
            generator has an inverter, and else tuning.
        steps, seconds: of each part of tuning; None takes the defaults.
    """

    method: MethodName | None = None
    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Self:
        """Read the effort from the fields of a request."""
        return cls(asked.get("method"), asked.get("steps"), asked.get("seconds"))

    def list_fields(self) -> dict[str, Any]:
        """Return the fields that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def invert(self, editor: FaceEditor, face: Pixels, precision: PrecisionChoice) -> Inversion:
        """Invert an aligned face uint8 (h, h, 3). Call it in the worker's thread."""
        if self.method == "hyperstyle" or (self.method is None and editor.inverter is not None):
            return editor.invert(to_tensor(face), precision=precision)
        from inversion.methods import Method  # it needs PyTorch, which is loaded by now

        return editor.invert_by(Method.PTI, steps=self.steps, seconds=self.seconds or MOST_SECONDS)(to_tensor(face))


def check_effort(model: ModelInfo, effort: InversionEffort) -> None:
    """Check that a generator can invert photographs as a request asks.

    Raises:
        Problem: 422, it has no inverter for the method, or steps or seconds are given for one that has none.
    """
    if effort.method == "hyperstyle" and not model.has_inverter:
        message = (
            f"{model.name} has no inverter; take the method tuning, or ask the operator for an inverter: "
            "`gestaltgen train-encoder`, or `gestaltgen weights import --part inverter`"
        )
        raise make_field_problem("method", message, effort.method)
    tunes = effort.method == "tuning" or (effort.method is None and not model.has_inverter)
    for name, value in (("steps", effort.steps), ("seconds", effort.seconds)):
        if value is not None and not tunes:
            raise make_field_problem(name, f"{value:g} without tuning; set method to tuning, or leave it out", value)
