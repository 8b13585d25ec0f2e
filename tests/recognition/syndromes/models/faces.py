"""Features of faces that do not exist, drawn from a seed: patients differ from controls in every block."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recognition.syndromes.features.layout import Layout
from recognition.syndromes.models.estimator import Matrix

LAYOUT = Layout(
    (("descriptor", 16), ("landmarks", 136), ("appearance", 40), ("distances2d", 30), ("points", 68 * 3)),
)


def draw_faces(count: int, seed: int = 0, strength: float = 0.6) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Draw faces (count, LAYOUT.width), of which every other one is a patient, and their labels."""
    rng = np.random.default_rng(seed)
    direction = np.random.default_rng(99).normal(size=LAYOUT.width)
    labels = np.arange(count) % 2
    X = rng.normal(size=(count, LAYOUT.width)) + strength * labels[:, None] * direction
    return X.astype(np.float32), labels
