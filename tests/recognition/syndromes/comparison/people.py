"""A small cohort whose descriptors are drawn: patients with a clear syndrome, one with a hidden one, and controls."""

from __future__ import annotations

import numpy as np

from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phenotype import average_phantom
from recognition.syndromes.cohorts.person import Cohort, Person
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import LANDMARKS, POINTS, Layout
from recognition.syndromes.features.shape import normalise_landmarks

WIDTH = 6


def draw_cohort(patients: dict[str, int], controls: int, seed: int = 0) -> tuple[Cohort, FaceFeatures]:
    """Draw people of two sexes and of 5 to 14 years, and their descriptors; "clear" moves the first number."""
    rng = np.random.default_rng(seed)
    people, rows = [], []
    for syndrome, count in {**patients, "": controls}.items():
        for number in range(count):
            name = f"{syndrome or 'control'}-{number:02d}"
            sex = "female" if rng.random() < 0.5 else "male"
            people.append(Person(name, f"{name}.png", syndrome or None, sex, "", float(rng.integers(5, 15))))
            rows.append(rng.standard_normal(WIDTH) + 3 * (syndrome == "clear") * np.eye(WIDTH)[0])
    features = FaceFeatures(
        tuple(one.file for one in people), np.array(rows, np.float32), Layout((("descriptor", WIDTH),))
    )
    return Cohort(tuple(sorted(people))), features


def draw_faces(cohort: Cohort) -> FaceFeatures:
    """Draw the landmarks of everybody in a cohort; the mouth of patients with the syndrome "clear" is wider."""
    rng = np.random.default_rng(1)
    usual = normalise_landmarks(draw_phantom(average_phantom((), 10, 0), 256).landmarks)
    rows = []
    for person in cohort.persons:
        face = usual + 0.01 * rng.standard_normal(usual.shape)
        face[48:, 0] *= 1.3 if person.syndrome == "clear" else 1
        rows.append(np.concatenate([face.ravel(), np.column_stack([face, np.zeros(68)]).ravel()]))
    layout = Layout(((LANDMARKS, 136), (POINTS, 204)))
    return FaceFeatures(tuple(one.file for one in cohort.persons), np.array(rows, np.float32), layout)
