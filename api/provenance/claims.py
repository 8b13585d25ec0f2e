"""What every image says about itself, wherever it is copied."""

from __future__ import annotations

from typing import Final

from faces.datasets.records import PHANTOMS

NOTICE: Final = "Synthetic image of a person who does not exist; not a patient, not a basis for a diagnosis."


def sheet_notice(origin: str) -> str:
    """What a contact sheet says at its foot, given where the weights come from."""
    what = "phantoms" if origin.endswith(PHANTOMS) else "faces of people who do not exist"
    return f"Synthetic {what}, not patients, no basis for a diagnosis."
