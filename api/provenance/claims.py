"""Claims: what a picture says about its origin, and the notices that people read beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Literal, TypeAlias, get_args

from core.errors import ConfigError
from faces.datasets.records import PHANTOMS

Source: TypeAlias = Literal["synthetic", "edited", "reconstructed", "annotated"]

NOTICE: Final = "Synthetic image of a person who does not exist; not a patient, not a basis for a diagnosis."
MAP_NOTICE: Final = "Map of what a classifier went by, which may be wrong; no basis for a diagnosis."
EDITED_NOTICE: Final = "Edited image, not a photograph, and no basis for a diagnosis."
ANNOTATED_NOTICE: Final = "Photograph with marks drawn by a program, which may be wrong; no basis for a diagnosis."

MAX_CLAIM_CHARACTERS: Final = 32_768
"""Longest claim, as escaped JSON: a JPEG holds an XMP packet in one segment of 65,535 bytes."""

_NEWSCODES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MEDIA: Final[Mapping[Source, str]] = {
    "synthetic": "trainedAlgorithmicMedia",
    "edited": "compositeWithTrainedAlgorithmicMedia",
    "reconstructed": "compositeWithTrainedAlgorithmicMedia",
    "annotated": "composite",
}
_NOTICES: Final[Mapping[Source, str]] = {
    "synthetic": NOTICE,
    "edited": EDITED_NOTICE,
    "reconstructed": EDITED_NOTICE,
    "annotated": ANNOTATED_NOTICE,
}


@cache
def this_software() -> str:
    """Return name and version of this program."""
    try:
        return f"gestaltgen {version('gestaltgen')}"
    except PackageNotFoundError:
        return "gestaltgen"


def sheet_notice(origin: str) -> str:
    """Return the notice at the foot of a contact sheet, for weights of this origin."""
    what = "phantoms" if origin.endswith(PHANTOMS) else "faces of people who do not exist"
    return f"Synthetic {what}, not patients, no basis for a diagnosis."


@dataclass(frozen=True)
class Claim:
    """Statement of a picture's origin, which is written into its file.

    Args:
        source: "synthetic" shows nobody and was made by a generator; "edited" and "reconstructed" come from a
            photograph that a network rendered again; "annotated" is a photograph that a program drew on.
        weights_sha256: checksum of the weights that rendered the picture; empty if none did.
        what: JSON that says how to make the picture again, or what was done to it.
        software: name and version of the program.

    Raises:
        ConfigError: the source is unknown, or `what` is not JSON or too long for a file's metadata.
    """

    source: Source
    weights_sha256: str
    what: Mapping[str, Any]
    software: str = field(default_factory=this_software)

    def __post_init__(self) -> None:
        if self.source not in get_args(Source):
            raise ConfigError(f"source {self.source!r}: expected one of {', '.join(get_args(Source))}")
        for name in ("weights_sha256", "software"):
            text = getattr(self, name)
            if not (isinstance(text, str) and text.isprintable()):
                raise ConfigError(f"{name} is {text!r}; expected text without control characters")
        if not isinstance(self.what, Mapping):
            raise ConfigError(f"what is {self.what!r}; expected a mapping")
        try:
            length = len(escape(self.to_json(), quote=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"what cannot be written as JSON ({error}); expected a mapping of texts, finite numbers, lists "
                "and mappings: convert arrays and dates first"
            ) from error
        if length > MAX_CLAIM_CHARACTERS:
            raise ConfigError(
                f"a claim of {length} characters does not fit into a picture; expected at most "
                f"{MAX_CLAIM_CHARACTERS}: leave out what can be looked up"
            )

    def to_json(self) -> str:
        """Return canonical JSON: sorted keys, no spaces, and ASCII only, which no change of encoding can harm."""
        return self._json

    def to_dict(self) -> dict[str, Any]:
        """Return the claim as a mapping for JSON."""
        return {
            "software": self.software,
            "source": self.source,
            "weights_sha256": self.weights_sha256,
            "what": dict(self.what),
        }

    @cached_property
    def _json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def digital_source_type(self) -> str:
        """The IPTC term by which search engines and agencies know such pictures."""
        return _NEWSCODES + _MEDIA[self.source]

    @property
    def notice(self) -> str:
        """The notice for people who read a file's properties."""
        return _NOTICES[self.source]
