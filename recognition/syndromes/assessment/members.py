"""Members: the fitted models of one draw of controls, and their answers for faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import TERMS, Layout
from recognition.syndromes.models.ensemble import MEMBERS
from recognition.syndromes.models.estimator import Predictor
from recognition.syndromes.models.face_and_terms import FaceAndTermsPredictor
from recognition.syndromes.models.reasons import Reason
from recognition.syndromes.models.registry import ENSEMBLE, list_blocks, list_possible_models, load, to_arrays

FACE_AND_TERMS: Final = "face_and_terms"
TERM_MODELS: Final = (FACE_AND_TERMS, "face_and_own_terms")
BY_REQUEST: Final = ("pointnet_tuned", "face_and_own_terms")
"""Models that are trained only if they are named: a slow one, and a variant."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """Model that was trained on one draw of controls.

    Attributes:
        name: name of the model.
        draw: number of the draw, from 0.
        predictor: the fitted model.
    """

    name: str
    draw: int
    predictor: Predictor

    def answer(self, features: FaceFeatures) -> Floats:
        """Compute the uncalibrated probability (n,) of each face."""
        predictor, X = self._take(features)
        return predictor.predict_patients(X)

    def goes_by_face(self, features: FaceFeatures) -> bool:
        """Tell whether this is one of `TERM_MODELS` and goes by the face alone, as no term of the only face counts."""
        predictor, X = self._take(features)
        return isinstance(predictor, FaceAndTermsPredictor) and predictor.name_parts(X) == ["face"]

    def explain(self, features: FaceFeatures) -> tuple[Reason, ...]:
        """Return the reasons of the answer for the only face."""
        predictor, X = self._take(features)
        return predictor.explain(X[0])

    def _take(self, features: FaceFeatures) -> tuple[Predictor, npt.NDArray[np.float32]]:
        layout = self.predictor.layout
        if self.name in TERM_MODELS and TERMS in features.layout:
            # This model compares terms that nobody of the training has with similar ones, in columns of their own.
            others = tuple((name, width) for name, width in layout.blocks if name != TERMS)
            layout = Layout((*others, (TERMS, len(features.layout.terms))), features.layout.terms)
        return replace(self.predictor, layout=layout), features.arrange(layout).X


def name_face_alone(model: str) -> str:
    """Return the name of the calibration of the answers of one of `TERM_MODELS` for people without terms."""
    return f"{model}, face alone"


def choose_models(layout: Layout, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the models to train on features of a layout; in place of the ensemble, those that it is made of.

    Args:
        names: of models; empty for all that the layout allows, but those of `BY_REQUEST`.

    Raises:
        ConfigError: a model that is named needs a block that the layout does not have.
    """
    if not names:
        return list_possible_models(layout, BY_REQUEST)
    chosen = tuple(dict.fromkeys(part for name in names for part in (MEMBERS if name == ENSEMBLE else (name,))))
    for name in chosen:
        for block in list_blocks(name, layout):
            layout[block]
    return chosen


def average_members(answers: Mapping[str, Floats]) -> Floats | None:
    """Return the mean of the answers of the ensemble's models; None if there are fewer than two."""
    parts = [answers[name] for name in MEMBERS if name in answers]
    return np.mean(parts, axis=0) if len(parts) > 1 else None


def store_members(members: Sequence[tuple[str, int, Any]]) -> tuple[dict[str, npt.NDArray[Any]], list[dict[str, Any]]]:
    """Return the arrays and the JSON settings of fitted estimators, each with its name and its draw."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    listed = []
    for place, (name, draw, estimator) in enumerate(members):
        own, settings = to_arrays(name, estimator)
        arrays |= {f"member{place}/{key}": value for key, value in own.items()}
        listed.append({"name": name, "draw": draw, "settings": settings})
    return arrays, listed


def load_members(arrays: Mapping[str, npt.NDArray[Any]], listed: Sequence[Mapping[str, Any]]) -> Iterator[Member]:
    """Yield the members that `store_members` stored."""
    for place, one in enumerate(listed):
        start = f"member{place}/"
        own = {key.removeprefix(start): value for key, value in arrays.items() if key.startswith(start)}
        yield Member(one["name"], one["draw"], load(own, one["settings"]))
