"""A small study with simulated gaze, for the tests of eye tracking."""

from __future__ import annotations

from studies.answers.key import KeyImage
from studies.gaze.areas import InterestArea

SIDE = 256
RECTANGLES = {"mouth": (90, 170, 166, 210), "eyes": (60, 90, 196, 125), "nose": (105, 126, 151, 168)}


def make_study(faces: int = 8) -> tuple[dict[str, KeyImage], list[InterestArea]]:
    """Make two complementary versions, and areas on each image."""
    key = {}
    for version in "AB":
        for face in range(faces):
            code = f"{version}_{face:08d}"
            edited = (face % 2 == 0) == (version == "A")
            variant = "edited" if edited else "reconstructed"
            key[code] = KeyImage(code, f"face{face}", ("WS", "other")[face * 2 // faces], variant, version)
    areas = [InterestArea(code, name, *map(float, box)) for code in key for name, box in RECTANGLES.items()]
    return key, areas
