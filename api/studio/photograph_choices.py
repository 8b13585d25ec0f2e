"""Photographs that a page offers to choose from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from api.access.api_keys import Caller
from api.access.ownership import Kind
from api.photographs.request_audit import RequestAudit
from api.resources import Resources

MOST: Final = 200
"""Photographs that a page offers: those that were sent last."""


@dataclass(frozen=True)
class PhotographChoice:
    """Photograph that is inverted.

    Attributes:
        id: its id.
        reference: the owner's own name for it; empty if it has none.
        verdict: on its reconstruction; None if it was not judged.
    """

    id: str
    reference: str
    verdict: str | None

    @property
    def name(self) -> str:
        """Name of the photograph for people."""
        return self.reference or self.id[:8]


def list_photographs(service: Resources, caller: Caller, request_audit: RequestAudit) -> list[PhotographChoice]:
    """List the newest photographs of a caller that are inverted, which the audit record of the request names."""
    choices = list(_find_photographs(service, caller))
    request_audit.touch(service.photographs.find_purposes([choice.id for choice in choices]))
    return choices


def _find_photographs(service: Resources, caller: Caller) -> Iterator[PhotographChoice]:
    for photo_id, _ in service.ownership.list_newest(Kind.PHOTO, caller.owner, MOST):
        photo = service.photographs.get(photo_id)
        if photo is not None and photo.quality is not None:
            reference = service.photographs.read_reference(photo_id)
            yield PhotographChoice(photo_id, reference, photo.quality["verdict"])
