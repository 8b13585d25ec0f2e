"""Verification: whether this service made a picture, by its file, its pixels or its signature."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from api.provenance.claims import Source
from api.provenance.content_credentials import Credentials, ManifestReading
from api.provenance.marks import Marker
from api.provenance.registry import Registry
from faces.images import Pixels, pixels_digest

Verdict: TypeAlias = Literal["made here", "made here, changed since", "not recognised"]


@dataclass(frozen=True)
class Verification:
    """Result of verifying a picture.

    Attributes:
        verdict: whether this service made the picture. "not recognised" says nothing: a picture may have been made
            here, and changed, elsewhere.
        how: what the picture was recognised by.
        source: origin of the picture, if it was made here.
        claim: what the file says about itself; hearsay unless the picture was made here.
        credentials: what its C2PA manifest says; None if it has none. The verdict does not depend on it.
    """

    verdict: Verdict
    how: str
    source: Source | None
    claim: Mapping[str, Any] | None
    credentials: ManifestReading | None


def verify_picture(
    data: bytes, pixels: Pixels, *, registry: Registry, marker: Marker, credentials: Credentials
) -> Verification:
    """Verify a picture's file. Blocks while a C2PA manifest is read in another process.

    Args:
        data: the file, PNG, WebP or JPEG.
        pixels: the decoded picture, uint8 (h, w, 3).
    """
    mark = marker.read(data, pixels)
    claim = None if mark is None else {**mark.claim.to_dict(), "notice": mark.claim.notice}
    sha256 = hashlib.sha256(data).hexdigest()
    registered = registry.find_by_digest(sha256=sha256, pixels=pixels_digest(pixels))
    verdict: Verdict = "made here"
    source: Source | None = "synthetic"
    if registered is not None:
        what = "file is one" if registered.sha256 == sha256 else "pixels are those of a picture"
        how = f"its {what} that this service made"
    elif mark is not None and mark.genuine:
        source, how = mark.claim.source, "its signature is this service's"
        if not mark.intact:
            verdict, how = "made here, changed since", f"{how}, but its pixels are not those that were signed"
    else:
        verdict, source = "not recognised", None
        how = "neither its file, its pixels nor its signature are known here"
    return Verification(verdict, how, source, claim, credentials.read(data))
