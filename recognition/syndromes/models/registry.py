"""Registry of the models by name, and loading of fitted models from their arrays.

Each module is imported when its model is asked for, because some need PyTorch or scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy.typing as npt

from core.errors import CheckpointError
from recognition.syndromes.features.layout import Layout
from recognition.syndromes.models.estimator import Arrays, Estimator, Predictor, Settings

_KIND: Final = "model"


def make_neighbours(layout: Layout, seed: int) -> Estimator:
    """Make the model of the nearest faces by descriptor."""
    from recognition.syndromes.models.neighbours import Neighbours

    return Neighbours(layout, seed)


def make_face_and_terms(layout: Layout, seed: int) -> Estimator:
    """Make the model of the face and the HPO terms."""
    from recognition.syndromes.models.face_and_terms import FaceAndTerms

    return FaceAndTerms(layout, seed)


MODELS: Final[Mapping[str, Callable[[Layout, int], Estimator]]] = {
    "neighbours": make_neighbours,
    "face_and_terms": make_face_and_terms,
}
"""Function that makes the estimator of a layout and a seed, by the name of the model."""


def to_arrays(name: str, model: Estimator) -> tuple[Arrays, Settings]:
    """Return a fitted model as arrays and JSON settings, which name the model, for `load`."""
    arrays, settings = model.to_arrays()
    return arrays, settings | {_KIND: name}


def load(arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> Predictor:
    """Load a fitted model, which predicts exactly as the estimator did.

    Raises:
        CheckpointError: the arrays are of no such model.
    """
    others = {name: value for name, value in settings.items() if name != _KIND}
    return _predictor_class(settings.get(_KIND)).from_arrays(arrays, others)


def _predictor_class(name: object) -> type[Predictor]:
    if name == "neighbours":
        from recognition.syndromes.models.neighbours import NeighboursPredictor

        return NeighboursPredictor
    if name == "face_and_terms":
        from recognition.syndromes.models.face_and_terms import FaceAndTermsPredictor

        return FaceAndTermsPredictor
    raise CheckpointError(f"there is no model {name!r}; expected one of {', '.join(MODELS)}")
