from __future__ import annotations

import numpy as np
import pytest

from experiments.phenotypes.observer import balanced_accuracy, read_terms, train_observer
from experiments.phenotypes.persons import TERMS, Faces, draw_faces
from experiments.phenotypes.region_shares import measure_changes
from faces.oracle.attribute_training import OracleTrainingConfig


def test_persons_have_terms_at_their_frequency_and_hide_those_of_the_teeth() -> None:
    faces = draw_faces(1, 12, 16)
    assert faces.present.shape == (12, len(TERMS))
    assert 0.1 < faces.present.mean() < 0.3
    assert not faces.visible[:, TERMS.index("HP:0000687")].all()
    assert faces.visible[:, TERMS.index("HP:0000508")].all()


def test_balanced_accuracy_counts_only_what_can_be_seen() -> None:
    present = np.array([[True], [True], [False], [False], [False]])
    visible = np.array([[True], [True], [True], [True], [False]])
    read = np.array([[True], [False], [False], [False], [True]])
    faces = Faces(np.zeros((5, 1, 1, 3), np.uint8), present, visible)
    assert balanced_accuracy(read, faces)[0] == pytest.approx(0.75)


def test_an_observer_learns_a_bright_patch() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (32, 128, 128, 3), dtype=np.uint8)
    present = rng.uniform(size=(32, 1)) < 0.5
    images[present[:, 0], 40:60, 40:88] = 250
    faces = Faces(images, present, np.ones_like(present))
    observer = train_observer(faces, OracleTrainingConfig(epochs=2, batch=16), lambda *_: None)
    assert balanced_accuracy(read_terms(observer, faces), faces)[0] > 0.9


def test_a_change_lies_in_its_region() -> None:
    changes = measure_changes(["HP:0000508", "HP:0000276"], [9.0], 32)
    assert changes["HP:0000508"].share is not None
    assert changes["HP:0000508"].share > 0.8
    assert changes["HP:0000276"].share is None
    assert changes["HP:0000276"].largest > 5
