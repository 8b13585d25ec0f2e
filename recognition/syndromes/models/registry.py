"""Registry of the models by name, and loading of fitted models from their arrays.

Each module is imported when its model is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy.typing as npt

from core.errors import CheckpointError
from recognition.syndromes.features.layout import Layout
from recognition.syndromes.models.estimator import Arrays, Estimator, Predictor, Settings

ENSEMBLE: Final = "ensemble"
"""Name of the ensemble. Comparisons and assessments combine the answers of its models, and train no ensemble."""

_KIND: Final = "model"

_CLASSES: Final = {
    "neighbours": ("neighbours", "Neighbours", "NeighboursPredictor"),
    "pointnet": ("pointnet", "PointNet", "PointNetPredictor"),
    "pointnet_tuned": ("pointnet", "TunedPointNet", "PointNetPredictor"),
    "distances": ("distance_forest", "DistanceForest", "DistanceForestPredictor"),
    "ensemble": ("ensemble", "Ensemble", "EnsemblePredictor"),
    "hybrid": ("hybrid", "Hybrid", "HybridPredictor"),
    "face_and_terms": ("face_and_terms", "FaceAndTerms", "FaceAndTermsPredictor"),
    "face_and_own_terms": ("face_and_terms", "FaceAndOwnTerms", "FaceAndTermsPredictor"),
}
"""Module, estimator and predictor of each model."""


def make_model(name: str, layout: Layout, seed: int) -> Estimator:
    """Make the estimator of a model, with its usual settings, for rows of this layout."""
    module, estimator, _ = _CLASSES[name]
    made: Estimator = getattr(import_module(f"recognition.syndromes.models.{module}"), estimator)(layout, seed)
    return made


MODELS: Final[Mapping[str, Callable[[Layout, int], Estimator]]] = {name: partial(make_model, name) for name in _CLASSES}
"""Function that makes the estimator of a layout and a seed, by the name of the model."""


def list_blocks(name: str, layout: Layout) -> tuple[str, ...]:
    """Return the blocks of the features that a model learns from."""
    return MODELS[name](layout, 0).BLOCKS


def list_possible_models(layout: Layout, by_request: Collection[str]) -> tuple[str, ...]:
    """Return the models whose blocks the layout has, without the ensemble and those of `by_request`."""
    usual = [name for name in MODELS if name != ENSEMBLE and name not in by_request]
    return tuple(name for name in usual if all(block in layout for block in list_blocks(name, layout)))


def to_arrays(name: str, model: Estimator) -> tuple[Arrays, Settings]:
    """Return a fitted model as arrays and JSON settings, which name the model, for `load`."""
    arrays, settings = model.to_arrays()
    return arrays, settings | {_KIND: name}


def load(arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> Predictor:
    """Load a fitted model, which predicts exactly as the estimator did.

    Raises:
        CheckpointError: the arrays are of no such model.
    """
    name = settings.get(_KIND)
    if name not in _CLASSES:
        raise CheckpointError(f"there is no model {name!r}; expected one of {', '.join(MODELS)}")
    module, _, predictor = _CLASSES[name]
    kind: type[Predictor] = getattr(import_module(f"recognition.syndromes.models.{module}"), predictor)
    return kind.from_arrays(arrays, {key: value for key, value in settings.items() if key != _KIND})
