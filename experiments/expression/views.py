"""Data sets of the experiment, and the views of each person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from editing.latent_editor import OPPOSITE

PLANTED_SET: Final = "planted.zip"
BALANCED_SET: Final = "balanced.zip"
TEST_SET: Final = "test.zip"

RECONSTRUCTION: Final = "reconstruction"
SMILE: Final = "smile"
REST: Final = "rest"
MADE: Final = (RECONSTRUCTION, SMILE, REST)
"""Views that the service makes."""

TARGETS: Final[Mapping[str, float]] = {REST: OPPOSITE[0], SMILE: OPPOSITE[1]}
"""Smiles that the service is asked for, and that perfect edits are drawn with."""

PHOTOGRAPH: Final = "photograph"
IDEAL: Final[Mapping[str, str]] = {SMILE: "drawn-smile", REST: "drawn-rest"}
"""Views of perfect edits, which change nothing else: the same person drawn with that smile."""

DRAWN: Final[Mapping[str, str]] = {PHOTOGRAPH: TEST_SET, IDEAL[SMILE]: "test-smile.zip", IDEAL[REST]: "test-rest.zip"}
"""Data set of each view that is drawn."""
