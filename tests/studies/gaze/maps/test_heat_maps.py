from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import ConfigError
from studies.gaze.fixations import collect_fixations
from studies.gaze.maps.heat_maps import Smoothing, average_by, draw_view_maps
from tests.studies.gaze.test_fixations import make_samples


def test_a_map_shows_where_and_how_long() -> None:
    fixations = collect_fixations(make_samples(np.array([16.0] * 30 + [48.0] * 10), np.array([1] * 30 + [2] * 10)))
    fixations = replace(fixations, y=np.array([32.0, 32.0]))
    [drawn] = draw_view_maps(fixations, 64, Smoothing(2))
    assert drawn.sum() == pytest.approx(1)
    assert drawn[:, :32].sum() == pytest.approx(0.75, abs=1e-4)
    rows, columns = np.indices(drawn.shape)
    left = drawn[:, :32] / drawn[:, :32].sum()
    assert (left * columns[:, :32]).sum() == pytest.approx(16, abs=0.01)
    assert np.sqrt((left * (rows[:, :32] - 32) ** 2).sum()) == pytest.approx(2, rel=0.02)


def test_fixations_outside_the_picture_do_not_count() -> None:
    fixations = collect_fixations(make_samples(np.array([-5.0, -5.0]), np.array([1, 1])))
    drawn = draw_view_maps(fixations, 64, Smoothing(2))
    assert not drawn.any()
    assert average_by(np.array([0]), drawn) == {}


def test_degrees_need_the_pixels_of_one() -> None:
    assert Smoothing(0.5, "deg", 30).pixels == 15
    for wrong in [(0.5, "deg", None), (0, "px", None), (1, "cm", None)]:
        with pytest.raises(ConfigError):
            Smoothing(*wrong)
