"""People of a cohort with drawn features, for tests: patients differ from controls in their descriptors."""

from __future__ import annotations

import numpy as np

from recognition.syndromes.cohorts.person import Cohort, Person
from recognition.syndromes.features.descriptors import DlibDescriptor
from recognition.syndromes.features.extraction import name_features
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import DESCRIPTOR, LANDMARKS, Layout

SYNDROME = "KdVS"
LAYOUT = Layout(((DESCRIPTOR, 128), (LANDMARKS, 136)))


def draw_cohort(patients: int = 8, controls: int = 16, seed: int = 0) -> tuple[Cohort, FaceFeatures]:
    """Draw a cohort and the features of its faces."""
    generator = np.random.default_rng(seed)
    people = []
    for number in range(patients + controls):
        syndrome = SYNDROME if number < patients else None
        sex = ("female", "male")[number % 2]
        people.append(Person(f"p{number:03}", f"p{number:03}.png", syndrome, sex, "European", 5.0 + number % 4))
    X = generator.normal(size=(len(people), LAYOUT.width)).astype(np.float32)
    X[:patients, :128] += 1.0
    files = tuple(one.file for one in people)
    return Cohort(tuple(people)), FaceFeatures(files, X, LAYOUT, computation=name_features(DlibDescriptor.name))
