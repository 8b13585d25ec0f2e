from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from core.errors import ImageError
from experiments.smile_measure import measure_known_phantoms, read_labelled_portraits
from faces.detect import FaceDetector
from faces.expression import CALIBRATED, MEASURES, Smile, measures
from faces.phantoms.drawing import locate_landmarks
from faces.phantoms.person import phantom


def landmarks(smile: float) -> npt.NDArray[np.float64]:
    return locate_landmarks(phantom("unaffected", 30, smile, 7), 128)


def test_size_place_and_rotation_do_not_matter() -> None:
    face, angle = landmarks(0.6), 0.4
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    np.testing.assert_allclose(measures(3.7 * face @ turn + [100, -20]), measures(face), atol=1e-9)


def test_what_a_smile_does() -> None:
    rest, broad = (dict(zip(MEASURES, measures(landmarks(smile))[0], strict=True)) for smile in (0, 1))
    for grows in ("lip_width", "corner_lift", "corner_rise", "mouth_opening"):
        assert broad[grows] > rest[grows]
    assert broad["lower_lid"] < rest["lower_lid"]
    steps = CALIBRATED.raw(np.stack([landmarks(smile) for smile in np.linspace(0, 1, 9)]))
    assert (np.diff(steps) > 0).all()


def test_the_measure_of_a_smile_says_what_phantoms_show() -> None:
    faces, smiles = measure_known_phantoms(43, 200)
    read = CALIBRATED(faces)
    assert ((read >= 0) & (read <= 1)).all()
    assert np.corrcoef(read, smiles)[0, 1] > 0.94
    assert np.abs(read - smiles).mean() < 0.09


@pytest.mark.slow
def test_the_measure_of_a_smile_tells_smiles_on_photographs_it_was_not_tuned_on(
    portraits: Path, detector: FaceDetector
) -> None:
    faces, smiling = read_labelled_portraits(portraits, "test", detector)
    read, width = CALIBRATED.raw(faces), measures(faces)[:, 0]
    ours, theirs = ((values[smiling][:, None] > values[~smiling]).mean() for values in (read, width))
    assert ours >= max(0.95, theirs)


def test_a_fit_finds_the_weights_that_made_the_smiles() -> None:
    faces, _ = measure_known_phantoms(44, 300)
    true = Smile((0.5, 2.0, 0.5, 1.0, -3.0), 0.1)
    found = Smile.fit([(faces[:200], true.raw(faces[:200])), (faces[200:], true.raw(faces[200:]))])
    np.testing.assert_allclose(found.raw(faces), true.raw(faces), atol=0.02)


def test_what_is_no_face_is_refused() -> None:
    with pytest.raises(ImageError, match=r"landmarks are \(1, 5, 2\)"):
        measures(np.zeros((5, 2)))
    with pytest.raises(ImageError, match="both eyes are in one place"):
        measures(np.zeros((68, 2)))
