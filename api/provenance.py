"""What every image says about itself, wherever it is copied."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

NOTICE: Final = "Synthetic image of a person who does not exist; not a patient, not a basis for a diagnosis."


def sheet_notice(origin: str) -> str:
    """What a contact sheet says at its foot, given where the weights come from."""
    what = "phantoms" if "phantom" in origin.lower() else "faces of people who do not exist"
    return f"Synthetic {what}, not patients, no basis for a diagnosis."


def png_text(set_id: str, row: Mapping[str, Any], weights_sha256: str) -> dict[str, str]:
    """The iTXt entries of an image's PNG.

    No version and no date: an image set's bytes follow from its id.
    """
    return {
        "Software": "gestaltgen",
        "Synthetic": "true",
        "Image-Set": set_id,
        "Row": json.dumps(row, separators=(",", ":"), ensure_ascii=False),
        "Weights-SHA256": weights_sha256,
        "Disclaimer": NOTICE,
    }
