from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.errors import ImageError, NoFaceError
from faces.align import align, find_anchors, spread_anchors
from faces.detect import FaceDetector
from faces.images import Pixels
from inversion.framing import frame_face


def test_the_largest_face_is_aligned(astronaut: Pixels, detector: FaceDetector) -> None:
    found = frame_face(astronaut, 64, detector)
    square = align(astronaut, detector.largest(astronaut).landmarks, 64)
    np.testing.assert_array_equal(found.face, square.image)
    np.testing.assert_array_equal(found.quad, square.quad)
    assert found.notes == ("2 faces found, the largest taken",)


def test_a_face_at_the_border_is_noted(astronaut: Pixels, detector: FaceDetector) -> None:
    notes = frame_face(astronaut[:160, 100:300], 64, detector).notes
    assert "the face is cut by the border" in notes
    assert any("of the square lies outside the photograph" in note for note in notes)


def test_an_aligned_square_is_taken_as_it_is(astronaut: Pixels, detector: FaceDetector) -> None:
    square = astronaut[:100, :100]
    found = frame_face(square, 64, detector, aligned=True)
    assert found.face is square
    assert found.notes == ()
    np.testing.assert_array_equal(found.quad, [[-0.5, -0.5], [-0.5, 99.5], [99.5, 99.5], [99.5, -0.5]])


def test_what_shows_no_face_to_invert_is_refused(astronaut: Pixels, detector: FaceDetector) -> None:
    with pytest.raises(NoFaceError, match="no face found"):
        frame_face(astronaut[:64, :64], 64, detector)
    with pytest.raises(ImageError, match="100 x 90 pixels; expected an aligned square"):
        frame_face(astronaut[:90, :100], 64, detector, aligned=True)
    with pytest.raises(ImageError, match=r"too small: its square is \d+ pixels wide; expected 512 or more"):
        frame_face(astronaut, 1024, detector)
    small = np.asarray(Image.fromarray(astronaut).resize((256, 256)))
    with pytest.raises(ImageError, match="expected 128 or more"):
        frame_face(small, 256, detector)


def test_landmarks_set_by_hand_place_the_square(astronaut: Pixels, detector: FaceDetector) -> None:
    known = detector.largest(astronaut).landmarks
    found = frame_face(astronaut, 64, detector, landmarks=spread_anchors(find_anchors(known)))
    np.testing.assert_allclose(found.quad, align(astronaut, known, 64).quad)
    assert found.notes == ("landmarks set by hand",)
