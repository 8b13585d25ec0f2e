"""Base of all models: an estimator that learns, and the predictor that it becomes, which needs NumPy alone.

Estimators follow the conventions of scikit-learn (`fit`, `predict_proba`, `get_params`, `clone`) without importing it,
because a service that only predicts does not need it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import CheckpointError, ConfigError
from recognition.syndromes.features.layout import Layout
from recognition.syndromes.models.reasons import Reason

Floats: TypeAlias = npt.NDArray[np.float64]
Matrix: TypeAlias = npt.NDArray[np.float32]
Arrays: TypeAlias = dict[str, npt.NDArray[Any]]
Settings: TypeAlias = dict[str, Any]

REASONS = 10
"""Most reasons of one answer."""


@dataclass(frozen=True)
class Predictor(ABC):
    """Fitted model. Its fields are the layout, arrays, and settings that JSON can hold.

    Attributes:
        layout: blocks of the rows that it takes.
    """

    layout: Layout

    @abstractmethod
    def predict_patients(self, X: Matrix) -> Floats:
        """Compute the probability of the syndrome (n,) of rows of features (n, layout.width)."""

    @abstractmethod
    def explain(self, x: Matrix) -> tuple[Reason, ...]:
        """Return the reasons of the answer for one row of features (layout.width,), the largest first."""

    def predict_proba(self, X: Matrix) -> Floats:
        """Compute the probabilities (n, 2) of control and patient."""
        patients = self.predict_patients(X)
        return np.column_stack([1 - patients, patients])

    def predict(self, X: Matrix) -> npt.NDArray[np.int64]:
        """Return 1 for each row that is more probably a patient's, 0 for a control's."""
        return (self.predict_patients(X) > 0.5).astype(np.int64)

    def to_arrays(self) -> tuple[Arrays, Settings]:
        """Return arrays and JSON settings, from which `from_arrays` makes the same predictor."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        settings = {name: value for name, value in values.items() if name not in arrays}
        return arrays, settings | {"layout": self.layout.to_json()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> Self:
        """Make a predictor of what `to_arrays` returned.

        Raises:
            CheckpointError: something else.
        """
        values = {**arrays, **settings}
        names = {item.name for item in fields(cls)}
        if names != values.keys():
            raise CheckpointError(
                f"a {cls.__name__} has {', '.join(sorted(names))}; the file has {', '.join(sorted(values))}: train "
                "the model again"
            )
        return cls(**{**values, "layout": Layout.from_json(settings["layout"])})


@dataclass(eq=False)
class Estimator(ABC):
    """Model that learns from faces of patients (1) and controls (0) of one syndrome.

    The result does not depend on the order of the faces: they are sorted by their numbers before anything is drawn.

    Attributes:
        layout: blocks of the columns of X.
        seed: seed of everything that is drawn.
        predictor_: the fitted model.
        order_: for each training face of the predictor (`Reason.person`), its row in X.
    """

    layout: Layout
    seed: int = 0
    predictor_: Predictor = field(init=False, repr=False)
    order_: npt.NDArray[np.int64] = field(init=False, repr=False)

    BLOCKS: ClassVar[tuple[str, ...]]
    """Blocks that the model learns from."""

    @abstractmethod
    def train(self, X: Matrix, patients: npt.NDArray[np.bool_]) -> Predictor:
        """Learn from sorted faces (n, layout.width), and return the fitted model."""

    def fit(self, X: npt.NDArray[Any], y: npt.NDArray[Any]) -> Self:
        """Learn from faces (n, layout.width), whose y is 1 for patients and 0 for controls.

        Raises:
            ConfigError: another shape, other labels, one class alone, or faces without a block that the model needs.
        """
        X = self._check(X)
        labels = np.asarray(y)
        if labels.shape != (len(X),) or not np.isin(labels, (0, 1)).all() or len(np.unique(labels)) < 2:
            raise ConfigError(
                f"labels are {labels.shape} with {np.unique(labels)[:5]}; expected one for each of {len(X)} faces, 1 "
                "for patients and 0 for controls, and both kinds"
            )
        patients = labels.astype(bool)
        content = [(X[row].tobytes(), bool(patients[row])) for row in range(len(X))]
        self.order_ = np.array(sorted(range(len(X)), key=content.__getitem__))
        self.predictor_ = self.train(X[self.order_], patients[self.order_])
        return self

    @property
    def classes_(self) -> npt.NDArray[np.int64]:
        return np.array([0, 1])

    def predict_proba(self, X: npt.NDArray[Any]) -> Floats:
        """Compute the probabilities (n, 2) of control and patient; the errors are those of `fit`."""
        return self.predictor_.predict_proba(self._check(X))

    def predict(self, X: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return 1 for each face that the model regards as a patient's, 0 for a control's."""
        return self.predictor_.predict(self._check(X))

    def explain(self, x: npt.NDArray[Any]) -> tuple[Reason, ...]:
        """Return the reasons of the answer for one face (layout.width,), the largest first."""
        return self.predictor_.explain(self._check(np.asarray(x)[None])[0])

    def to_arrays(self) -> tuple[Arrays, Settings]:
        """Return the fitted model as arrays and JSON settings, for `registry.load`."""
        return self.predictor_.to_arrays()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor by name, as scikit-learn's `clone` needs them."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.init}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters of the constructor.

        Raises:
            ConfigError: there is no such parameter.
        """
        for name, value in parameters.items():
            if name not in self.get_params():
                raise ConfigError(f"{type(self).__name__} has no parameter {name!r}; it has {[*self.get_params()]}")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that this is a classifier of two classes."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(multi_class=False),
            input_tags=InputTags(allow_nan=True),
        )

    def _check(self, X: npt.NDArray[Any]) -> Matrix:
        rows = np.asarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.layout.width:
            raise ConfigError(f"features are {rows.shape}; expected (n, {self.layout.width}), as the layout says")
        for block in self.BLOCKS:
            lacking = ~np.isfinite(rows[:, self.layout[block]]).all(axis=1)
            if lacking.any():
                raise ConfigError(
                    f"{lacking.sum()} of {len(rows)} faces have no {block!r}, the first in row {lacking.argmax()}; "
                    f"leave out those without {', '.join(self.BLOCKS)} (FaceFeatures.complete)"
                )
        return rows
