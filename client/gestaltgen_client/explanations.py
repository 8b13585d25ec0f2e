"""Explanations: which parts of a face a classifier of the service uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gestaltgen_client.work import Work


@dataclass(frozen=True)
class Explanation(Work):
    """An explanation of a classifier's answer for a face. No basis for a diagnosis.

    Args:
        done: number of maps that are computed.
        total: number of methods.
        request: the fields that were asked for.
        result: classifier, probabilities, target, and by method the relevance of each region; None until there is a
            map.
    """

    what: ClassVar[str] = "explanation"

    done: int
    total: int
    request: Mapping[str, Any]
    result: Mapping[str, Any] | None

    def map(self, method: str) -> bytes:
        """Fetch the map by a method, drawn over the face, as PNG bytes. The map of a photograph shows the person."""
        return self._connection.send("GET", f"{self.links['self']}/maps/{method}.png").content

    def erase(self) -> None:
        """Erase the explanation. The face stays."""
        self._connection.send("DELETE", self.links["self"])

    def _describe_progress(self) -> str:
        return f"has {self.done} of {self.total} maps"
