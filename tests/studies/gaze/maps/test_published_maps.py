from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import DatasetError
from studies.gaze.maps.published_maps import compare_groups, convert_pictures, make_binary, read_pictures


def draw(places: list[tuple[int, int]]) -> np.ndarray:  # type: ignore[type-arg]
    """Draw red spots that fade outwards on a transparent picture, one picture for each place."""
    pictures = np.zeros((len(places), 60, 60, 4), dtype=np.uint8)
    spot = (255 * np.exp(-((np.indices((20, 20)) - 9.5) ** 2).sum(axis=0) / 40)).astype(np.uint8)
    for picture, (row, column) in zip(pictures, places, strict=True):
        picture[row : row + 20, column : column + 20, 0] = 255
        picture[row : row + 20, column : column + 20, 3] = spot
    return pictures


def test_looked_at_places_are_high_and_the_rest_is_low() -> None:
    [grey] = convert_pictures([draw([(10, 10), (12, 12)])])
    assert grey[0, 20, 20] > 100
    assert grey[0, 50, 50] < 1
    binary = make_binary(grey.mean(axis=0), 70)
    assert binary[18, 18]
    assert not binary[50, 50]
    assert not make_binary(np.zeros((4, 4), dtype=np.float32), 70).any()


def test_groups_that_look_elsewhere_overlap_less_than_by_chance() -> None:
    here, there = convert_pictures([draw([(5, 5)] * 8), draw([(38, 38)] * 8)])
    apart = compare_groups(here, there, 20, seed=1, draws=99)
    assert apart.iou == 0
    assert apart.p < 0.3  # groups of a similar mix show the spot that most of them look at, and do not overlap either
    same = compare_groups(here, here, 20, seed=1, draws=99)
    assert (same.iou, same.rank, same.p_published, same.p) == (1, 0, 0, 1)


def test_pictures_are_read_without_bad_ones(tmp_path: Path) -> None:
    for name in ("s1_p1_25r.png", "s1_p2_25r.png", "s1_p3_BAD_25r.png"):
        cv2.imwrite(str(tmp_path / name), cv2.cvtColor(draw([(5, 5)])[0], cv2.COLOR_RGBA2BGRA))
    pictures = read_pictures(tmp_path)
    assert pictures.shape == (2, 60, 60, 4)
    assert np.array_equal(pictures[0], draw([(5, 5)])[0])
    cv2.imwrite(str(tmp_path / "s1_p4_25r.png"), np.zeros((60, 60, 3), dtype=np.uint8))
    with pytest.raises(DatasetError):
        read_pictures(tmp_path)
