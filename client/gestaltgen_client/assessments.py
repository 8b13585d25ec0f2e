"""Assessments: whether the face of a photograph is evidence for a syndrome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gestaltgen_client.work import Work


@dataclass(frozen=True)
class Assessment(Work):
    """An assessment of a photograph by the models of a syndrome. Research use, no diagnosis.

    Args:
        request: the fields that were asked for.
        result: probability by each model with its interval, reasons, the control group, and how far the face lies from
            all faces of the training; None until it is done.
    """

    what: ClassVar[str] = "assessment"

    request: Mapping[str, Any]
    result: Mapping[str, Any] | None

    def picture(self) -> bytes:
        """Fetch the face with the most important distances as PNG bytes. It shows the person."""
        return self._connection.send("GET", self.links["picture"]).content

    def erase(self) -> None:
        """Erase the assessment. The photograph stays."""
        self._connection.send("DELETE", self.links["self"])
