from __future__ import annotations

import cv2
import numpy as np
import pytest

from faces.images import Pixels
from faces.measures.image_scores import embed_faces, find_faces, measure_fine_detail, measure_novelty
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom


@pytest.fixture(scope="module")
def phantoms() -> Pixels:
    return np.stack([draw_phantom(nth_phantom(number, 0), 128).image for number in range(12)])


def test_a_face_is_found_in_phantoms_and_not_in_noise(phantoms: Pixels) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), np.uint8)
    assert np.mean(find_faces(phantoms) > 0.1) > 0.8
    assert find_faces(noise).tolist() == [0, 0, 0]


def test_blur_lowers_the_sharpness_and_darkness_does_not(phantoms: Pixels) -> None:
    blurred = np.stack([cv2.GaussianBlur(image, (0, 0), 0.6) for image in phantoms])
    sharp = measure_fine_detail(phantoms)
    assert np.max(measure_fine_detail(blurred)) < np.min(sharp)
    dark = (phantoms * 0.4).astype(np.uint8)
    assert measure_fine_detail(dark) == pytest.approx(sharp, rel=0.1)


def test_the_novelty_is_the_distance_to_another_person(phantoms: Pixels) -> None:
    images = np.concatenate([phantoms[:3], phantoms[:1]])
    as_copy = measure_novelty(embed_faces(images), ["a", "b", "c", "d"])
    assert (as_copy[0], as_copy[3]) == (0, 0)
    same_person = measure_novelty(embed_faces(images), ["a", "b", "c", "a"])
    assert same_person[0] == same_person[3]
    assert same_person[0] is not None
    assert same_person[0] > 1
    assert measure_novelty(embed_faces(images[:1]), ["a"]) == [None]
