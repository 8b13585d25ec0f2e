from __future__ import annotations

import numpy as np

from core.formats.face_areas import AREAS, find_areas, unite_areas
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom


def test_the_mouth_has_a_margin_of_a_quarter_of_its_width() -> None:
    landmarks = np.zeros((68, 2))
    landmarks[48:] = [50, 80]
    landmarks[54] = [70, 88]
    assert find_areas(landmarks)["mouth"] == (45, 75, 75, 93)


def test_parts_of_a_face_lie_in_it_one_below_the_other() -> None:
    points = draw_phantom(nth_phantom(3, 0), 128).landmarks
    areas = find_areas(points)
    assert tuple(areas) == AREAS
    middles = [0.5 * (areas[name][1] + areas[name][3]) for name in ("eyes", "nose", "mouth")]
    assert middles == sorted(middles)
    left, top, right, bottom = areas["face"]
    assert top < points[17:27, 1].min()
    for inner in areas.values():
        assert left <= inner[0] < inner[2] <= right
        assert top <= inner[1] < inner[3] <= bottom


def test_united_areas_stay_in_the_picture() -> None:
    assert unite_areas((-3, 5, 20, 30), (4, 2, 70, 25), 64, 32) == (0, 2, 63, 30)
