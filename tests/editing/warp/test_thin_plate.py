from __future__ import annotations

import numpy as np
import pytest

from editing.warp.thin_plate import map_backwards

POINTS = np.array([[20.0, 20.0], [44.0, 22.0], [30.0, 40.0]])


@pytest.mark.parametrize("border", [False, True])
def test_points_that_stay_move_nothing(border: bool) -> None:
    y, x = np.mgrid[:64, :64]
    places = map_backwards(POINTS, POINTS, 64, border=border)
    assert places == pytest.approx(np.stack([x, y], axis=-1), abs=0.01)


def test_a_pixel_shows_where_its_point_came_from_and_the_border_stays() -> None:
    targets = POINTS + np.array([[4, 0], [0, 0], [0, -3]])
    places = map_backwards(POINTS, targets, 64)
    assert places[20, 24] == pytest.approx([20, 20], abs=0.05)
    assert places[37, 30] == pytest.approx([30, 40], abs=0.3)
    assert places[0, 0] == pytest.approx([0, 0], abs=0.05)
    assert places[63, 63] == pytest.approx([63, 63], abs=0.05)


def test_coincident_points_are_no_obstacle() -> None:
    twice = np.concatenate([POINTS, POINTS[:1]])
    places = map_backwards(twice, twice, 32)
    assert np.isfinite(places).all()
    assert places[20, 20] == pytest.approx([20, 20], abs=0.05)
