from __future__ import annotations

import cv2
import numpy as np
import pytest

from faces.measures.sharpness import measure_sharpness
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom


def test_sharpness_is_that_of_the_face_without_the_mouth() -> None:
    face = draw_phantom(nth_phantom(3, 0), 64).image
    blurred = np.asarray(cv2.blur(face, (9, 9)), dtype=np.uint8)
    painted = face.copy()
    painted[41:55, 17:47] = np.random.default_rng(0).integers(0, 255, (14, 30, 3))
    sharp, soft, with_mouth = measure_sharpness(np.stack([face, blurred, painted]))
    assert soft < 0.5 * sharp
    assert with_mouth == pytest.approx(sharp, rel=0.05)
