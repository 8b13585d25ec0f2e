from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError, ImageError
from faces.align import ffhq_quad, find_anchors
from faces.detect import place_by_hand
from faces.landmark_table import assign_landmarks, parse_landmarks, read_landmark_table

SHORT = "left_eye_x,left_eye_y,right_eye_x,right_eye_y,mouth_left_x,mouth_left_y,mouth_right_x,mouth_right_y"
ANCHORS = np.array([[30, 40], [60.5, 41], [35, 70], [55, 71]])


def write(folder: Path, *lines: str) -> Path:
    path = folder / "landmarks.csv"
    path.write_text("\n".join(lines))
    return path


def test_both_forms_of_the_table_give_the_same_square(tmp_path: Path) -> None:
    short = read_landmark_table(write(tmp_path, f"file,{SHORT}", "a.png,30,40,60.5,41,35,70,55,71", ""))
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[48], points[54] = ANCHORS
    names = ",".join(f"{axis}{point}" for axis in "xy" for point in range(68))
    values = ",".join(map(str, points.T.ravel()))
    whole = read_landmark_table(write(tmp_path, f"{names},file", f"{values},a.png"))
    np.testing.assert_array_equal(whole["a.png"], points)
    np.testing.assert_array_equal(find_anchors(short["a.png"]), ANCHORS)
    np.testing.assert_array_equal(ffhq_quad(short["a.png"]), ffhq_quad(points))


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("file,x0,y0", "a.png,1,2"),
        (f"file,{SHORT}",),
        (f"file,{SHORT}", "a.png,30,40,60,41,35,70,55"),
        (f"file,{SHORT}", "a.png,30,40,60,41,35,70,55,nan"),
        (f"file,{SHORT}", "a.png,30,40,60,41,35,70,55,here"),
        (f"file,{SHORT}", "a.png,30,40,60,41,35,70,55,71", "a.png,30,40,60,41,35,70,55,71"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(DatasetError):
        read_landmark_table(write(tmp_path, *lines))


def test_rows_are_assigned_by_the_path_or_the_name_alone() -> None:
    points, files = np.zeros((68, 2)), ["a.png", "sub/a.png", "sub/b.png"]
    assert set(assign_landmarks({"a.png": points, "b.png": points}, files)) == {"a.png", "sub/b.png"}
    for table, names in (({"c.png": points}, files), ({"a.png": points}, ["one/a.png", "two/a.png"])):
        with pytest.raises(DatasetError):
            assign_landmarks(table, names)


def test_points_of_one_photograph_are_read_from_json() -> None:
    names = ("left_eye", "right_eye", "mouth_left", "mouth_right")
    text = json.dumps(dict(zip(names, ANCHORS.tolist(), strict=True)))
    np.testing.assert_array_equal(find_anchors(parse_landmarks(text)), ANCHORS)
    assert parse_landmarks(json.dumps([[1, 2]] * 68)).shape == (68, 2)
    for wrong in ("", "[]", "{}", "[[1, 2]]", '{"left_eye": [1, 2]}', text.replace("30", "NaN"), "[" * 9999):
        with pytest.raises(ImageError):
            parse_landmarks(wrong)


def test_a_point_outside_the_picture_is_refused() -> None:
    points, picture = np.full((68, 2), np.nan), np.zeros((80, 60, 3), np.uint8)
    points[36:55] = 30
    assert place_by_hand(points, picture).by == "hand"
    for outside in ((60, 30), (30, -1), (30, 80)):
        points[50] = outside
        with pytest.raises(ImageError):
            place_by_hand(points, picture)
