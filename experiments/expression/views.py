"""The data sets, and the ways in which one person is seen."""

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
"""By the service."""

TARGETS: Final[Mapping[str, float]] = {REST: OPPOSITE[0], SMILE: OPPOSITE[1]}
"""Smiles that are asked for, and that ideal edits are drawn with."""

PHOTOGRAPH: Final = "photograph"
IDEAL: Final[Mapping[str, str]] = {SMILE: "drawn-smile", REST: "drawn-rest"}
"""What an edit would be if it changed nothing else: the same person drawn with that smile."""

DRAWN: Final[Mapping[str, str]] = {PHOTOGRAPH: TEST_SET, IDEAL[SMILE]: "test-smile.zip", IDEAL[REST]: "test-rest.zip"}
"""Data set of each view that is drawn."""
