"""The person whose phantom is painted, with what all painters need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from faces.phantoms.anatomy import Anatomy
from faces.phantoms.paint import Palette, rgb

if TYPE_CHECKING:
    from faces.phantoms.person import Phantom

RIGHT: Final = np.array([1.0, 1.0])
LEFT: Final = np.array([-1.0, 1.0])
"""Factors that keep points of the right half of the picture, or mirror them to the left half."""

BLUSH: Final = rgb(6, -26, -20)
"""Change of colour from pale to rosy skin."""


@dataclass(frozen=True)
class Sitter:
    """Person and settings of a painting."""

    phantom: Phantom
    body: Anatomy
    palette: Palette
