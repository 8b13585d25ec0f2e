"""Features of faces that do not exist, drawn from a seed: patients differ from controls in every block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from recognition.syndromes.features.layout import Layout
from recognition.syndromes.features.shape import normalise_landmarks
from recognition.syndromes.models.estimator import Matrix

LAYOUT = Layout(
    (
        ("descriptor", 16),
        ("landmarks", 136),
        ("appearance", 40),
        ("distances2d", 30),
        ("points", 68 * 3),
        ("terms", 3),
    ),
    ("HP:0000750", "HP:0001250", "HP:0001629"),
)

SHAPE = normalise_landmarks(draw_phantom(nth_phantom(0, 3), 64).landmarks)
"""Landmarks (68, 2) of a face, in its own frame."""


def draw_faces(count: int, seed: int = 0, strength: float = 0.6) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Draw faces (count, LAYOUT.width), of which every other one is a patient, and their labels."""
    rng = np.random.default_rng(seed)
    direction = np.random.default_rng(99).normal(size=LAYOUT.width)
    labels = np.arange(count) % 2
    X = rng.normal(size=(count, LAYOUT.width)) + strength * labels[:, None] * direction
    points = np.column_stack([SHAPE, np.zeros(68)]).ravel()
    for block, mean in (("landmarks", SHAPE.ravel()), ("points", points)):
        X[:, LAYOUT[block]] = mean + 0.05 * X[:, LAYOUT[block]]
    X[:, LAYOUT["terms"]] = rng.random((count, 3)) < 0.2 + 0.6 * labels[:, None] * (np.arange(3) < 2)
    return X.astype(np.float32), labels
