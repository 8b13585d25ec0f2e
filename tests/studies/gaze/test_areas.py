from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DatasetError
from studies.gaze.areas import InterestArea, find_side, read_areas


def test_areas_of_packs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_text("version,file,area,left,top,right,bottom\nA,123.png,eyes,1,2,3,4\n")
    assert read_areas(path) == [InterestArea("A_123", "eyes", 1, 2, 3, 4)]
    path.write_text("version,file,left,top,right,bottom\nA,123.png,1,2,3,4\n")
    assert read_areas(path) == [InterestArea("A_123", "mouth", 1, 2, 3, 4)]
    assert find_side(read_areas(path)) is None
    path.write_text("image,area,left,top,right,bottom,width,height\nB_9,nose,1,2,3,4,64,64\n")
    areas = read_areas(tmp_path)
    assert areas == [InterestArea("B_9", "nose", 1, 2, 3, 4, 64, 64)]
    assert find_side(areas) == 64
    for other in (InterestArea("B_8", "nose", 1, 2, 3, 4, 32, 32), InterestArea("B_9", "mouth", 1, 2, 3, 4, 64, 48)):
        with pytest.raises(DatasetError):
            find_side([*areas, other])


def test_an_area_may_be_one_pixel(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_text("image,area,left,top,right,bottom,width,height\nA_1,nose,15,15,15,15,16,16\n")
    assert read_areas(path) == [InterestArea("A_1", "nose", 15, 15, 15, 15, 16, 16)]


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "A_1,nose,4,2,3,4,,\n",
        "A_1,nose,1,2,3,x,,\n",
        "A_1,nose,1,2,3,,,\n",
        "A_1,nose,-1,2,3,4,,\n",
        "A_1,nose,1,2,16,4,16,16\n",
        "A_1,nose,1,2,3,4,,\nA_1,nose,1,2,3,4,,\n",
    ],
)
def test_areas_that_are_none_are_refused(tmp_path: Path, lines: str) -> None:
    path = tmp_path / "areas.csv"
    path.write_text(f"image,area,left,top,right,bottom,width,height\n{lines}")
    with pytest.raises(DatasetError):
        read_areas(path)
