"""Explanations of single faces."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.errors import GestaltError
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from recognition.explanation.face_explanation import draw_map, explain_face
from recognition.explanation.regions.masks import Masks, masks_from_landmarks
from recognition.images.image_stack import to_network_input
from tests.recognition.explanation.classifiers import CLASSES, build_classifier

DRAWN = draw_phantom(nth_phantom(3, 0), 128)
METHODS = ("gradient", "occlusion")


@pytest.fixture(scope="module")
def masks() -> Masks:
    return masks_from_landmarks(DRAWN.landmarks, 128)


def test_maps_of_folds_are_averaged(masks: Masks) -> None:
    folds = build_classifier(seed=1), build_classifier(seed=2)
    both = explain_face(folds, DRAWN.image, masks, METHODS, target="22q11DS")
    each = [explain_face([fold], DRAWN.image, masks, METHODS, target=1) for fold in folds]
    assert both.target == 1
    assert both.probabilities == pytest.approx(np.mean([one.probabilities for one in each], axis=0))
    for method in METHODS:
        assert both.maps[method].shape == (3, 64, 64)
        expected = np.mean([one.maps[method] for one in each], axis=0)
        np.testing.assert_allclose(both.maps[method], expected, atol=1e-6)
        assert set(both.relevance[method]) == set(masks)


def test_the_most_probable_class_is_explained_unless_another_is_named(masks: Masks) -> None:
    classifier = build_classifier()
    found = explain_face([classifier], DRAWN.image, masks, ["gradient"])
    assert found.target == found.probabilities.argmax()
    assert found.to_json()["target"] == CLASSES[found.target]
    assert sum(found.to_json()["probabilities"].values()) == pytest.approx(1)


def test_relevance_is_the_mean_of_the_absolute_map(masks: Masks) -> None:
    small = {name: mask[::2, ::2] for name, mask in masks.items()}
    found = explain_face([build_classifier()], DRAWN.image[::2, ::2], small, ["gradient"])
    summed = np.abs(found.maps["gradient"].astype(np.float64)).sum(axis=0)
    assert found.relevance["gradient"]["nose"] == pytest.approx(summed[small["nose"]].mean())
    scaled = (summed - summed.min()) / np.ptp(summed)
    assert found.scaled_relevance["gradient"]["nose"] == pytest.approx(scaled[small["nose"]].mean())


@pytest.mark.parametrize(
    ("part", "sizes", "methods", "target"),
    [
        ("none", (), ("gradient",), None),
        ("sizes", (64, 32), ("gradient",), None),
        ("method", (64,), ("tea leaves",), None),
        ("target", (64,), ("gradient",), "Kabuki"),
        ("index", (64,), ("gradient",), 3),
    ],
)
def test_what_does_not_fit_is_refused(
    masks: Masks, part: str, sizes: tuple[int, ...], methods: tuple[str, ...], target: str | int | None
) -> None:
    classifiers = [build_classifier(size=size) for size in sizes]
    with pytest.raises(GestaltError):
        explain_face(classifiers, DRAWN.image, masks, methods, target)


def test_masks_that_do_not_fit_are_refused() -> None:
    for mask in (np.ones((64, 64), np.bool_), np.zeros((128, 128), np.bool_)):
        with pytest.raises(GestaltError):
            explain_face([build_classifier()], DRAWN.image, {"nose": mask}, ["gradient"])


def test_a_map_is_drawn_where_it_is_strong() -> None:
    signed = np.zeros((3, 64, 64), np.float32)
    signed[:, :8, :8] = -1
    drawn = draw_map(DRAWN.image, signed)
    assert drawn.shape == DRAWN.image.shape
    assert drawn.dtype == np.uint8
    colour = np.ptp(drawn.astype(int), axis=2)
    assert colour[:12, :12].min() > 20
    assert colour[64:].max() < 20
    assert draw_map(DRAWN.image, np.zeros_like(signed)).shape == DRAWN.image.shape


def test_the_input_is_that_of_training(masks: Masks) -> None:
    classifier = build_classifier(size=128)
    images = to_network_input(torch.from_numpy(DRAWN.image.copy())[None])
    expected = classifier.network(images).softmax(dim=1)[0].detach().numpy()
    found = explain_face([classifier], DRAWN.image, masks, ["gradient"])
    assert found.probabilities == pytest.approx(expected, abs=1e-5)
