from __future__ import annotations

import cv2
import numpy as np
import pytest

from editing.warp.expression_model import FaceAxes, measure_lift
from editing.warp.face_warp import warp_face
from tests.editing.warp.faces import SIDE, draw_face, make_model

WHITE = np.array([255.0, 255.0, 255.0])


def test_a_face_that_does_not_move_is_the_same() -> None:
    picture, landmarks = draw_face()
    warped = warp_face(picture, landmarks, make_model(0.3), 0.0, measure_lift(landmarks)[1])
    assert np.abs(warped - picture).mean() < 2


def test_a_lift_raises_the_corners_of_the_mouth_and_keeps_the_border() -> None:
    _, landmarks = draw_face()
    x, y = landmarks[48].round().astype(int)
    picture = np.zeros((SIDE, SIDE, 3), dtype=np.float32)
    picture[y - 1 : y + 2, x - 1 : x + 2] = 255
    warped = warp_face(picture, landmarks, make_model(), 1.0, measure_lift(landmarks)[1])[..., 0]
    raised = np.average(np.arange(SIDE), weights=warped.sum(axis=1)) - y
    assert -0.2 * np.hypot(*FaceAxes.of(landmarks).axes[0]) < raised < -1
    assert not warped[0].any()


def test_shading_brightens_with_the_lift_within_its_limit() -> None:
    _, landmarks = draw_face()
    grey, opening = np.full((SIDE, SIDE, 3), 100, dtype=np.float32), measure_lift(landmarks)[1]
    nose_x, nose_y = landmarks[30].round().astype(int)
    some, much, removed = (
        warp_face(grey, landmarks, make_model(shading), lift, opening)[nose_y, nose_x, 0]
        for shading, lift in ((0.2, 0.5), (5.0, 0.5), (0.2, -0.5))
    )
    assert some == pytest.approx(100 * np.exp(0.7 * 0.1), rel=0.01)
    assert much == pytest.approx(100 * np.exp(0.25), rel=0.01)
    assert removed == pytest.approx(100 * np.exp(-0.3 * 0.1), rel=0.01)


def test_teeth_vanish_between_lips_that_close() -> None:
    picture, landmarks = draw_face()
    picture, landmarks = picture * 0.4, landmarks.copy()
    landmarks[[61, 62, 63], 1], landmarks[[65, 66, 67], 1] = landmarks[62, 1] - 2, landmarks[66, 1] + 2
    landmarks[[50, 51, 52], 1], landmarks[[56, 57, 58], 1] = landmarks[62, 1] - 3, landmarks[66, 1] + 3
    cv2.fillPoly(picture, [np.rint(landmarks[60:68]).astype(np.int32)], WHITE.tolist())
    warped = warp_face(picture, landmarks, make_model(), 0.0, 0.0)
    middle = slice(int(landmarks[61, 0]), int(landmarks[63, 0]) + 1)
    assert picture[:, middle].max() == 255
    assert warped[:, middle].max() < 160
