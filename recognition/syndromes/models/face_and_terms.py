"""Sixth model: a support vector machine over the descriptor of a face and the similarity of the person's HPO terms.

Dingemans et al. 2023 (Nature Genetics 55:1598, PhenoScore), from its description. The face is standardised and scaled
to unit length. The terms are two numbers, the mean similarity to the patients and to the controls of the training
set, without that of a person to itself. Departures: classes count equally however many people they have, and
probabilities are calibrated on inner folds that a seed decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError, DatasetError
from faces.conditions.terms import find_term
from recognition.syndromes.features.face_features import FaceFeatures
from recognition.syndromes.features.layout import DESCRIPTOR, TERMS, Layout
from recognition.syndromes.models.estimator import REASONS, Arrays, Estimator, Matrix, Predictor, Settings
from recognition.syndromes.models.reasons import Reason, rank_reasons
from recognition.syndromes.models.support_vectors import fit_calibrations, fit_support_vectors, logistic
from recognition.syndromes.models.terms_similarity import (
    PUBLISHED_LEFT_OUT,
    Bools,
    Floats,
    average_similarity,
    compare_people,
    compare_terms,
    select_terms,
)

Parts = Literal["both", "face", "terms"]
"""What the model goes by. With "both", a person without terms is assessed by the face alone."""

LIMITS: Final = (1e-5, 1e-3, 1.0, 1e3, 1e5)
"""Values of C of which the inner folds choose one, as published."""

FEW: Final = 10
"""Number of people below which a logistic regression takes the place of the support vector machine, as published."""

_INNER_FOLDS: Final = 5
_TIE: Final = 1e-6  # difference of two Brier scores below which the smaller C is taken


@dataclass(frozen=True)
class Scaling:
    """Means and deviations of the training set: of the face (p,) and of the similarities (2,), or (0,) if unused.

    Those of several training sets have the shapes (k, 1, p) and (k, 1, 2).
    """

    face_mean: Floats
    face_deviation: Floats
    terms_mean: Floats
    terms_deviation: Floats

    def apply(self, face: Floats, means: Floats) -> Floats:
        """Return (n, p + 2): the face at unit length, and similarities; 0, their mean, for one that does not exist."""
        face = (face - self.face_mean) / self.face_deviation
        length = np.sqrt((face**2).sum(axis=-1, keepdims=True))
        terms = (means - self.terms_mean) / self.terms_deviation
        return np.concatenate(
            [face / np.where(length > 0, length, 1.0), np.where(np.isnan(terms), 0.0, terms)], axis=-1
        )

    def take(self, index: int) -> Self:
        """Return the scaling of one of several training sets."""
        return replace(self, **{f.name: getattr(self, f.name)[index, 0] for f in fields(self)})


def _standardise(values: Floats, known: Bools) -> tuple[Floats, Floats]:
    """Return mean and deviation over the known ones of n values, (k, 1, p) of (k, n, p); 1 for one that is constant."""
    counts = np.maximum(known.sum(axis=-2, keepdims=True), 1)
    mean = np.where(known, values, 0.0).sum(axis=-2, keepdims=True) / counts
    deviation = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=-2, keepdims=True) / counts)
    return mean, np.where(deviation > 0, deviation, 1.0)


@dataclass(frozen=True)
class Machine:
    """Fitted classifier with a calibration.

    Attributes:
        scaling: of its inputs.
        vectors: (m, p + 2) training people at the margin; of a logistic regression, (1, p + 2) its coefficients.
        weights: (m,) their weights in the decision value.
        intercept: of the decision value.
        gamma: of the kernel exp(-gamma · squared distance); 0 for a scalar product.
        slope, offset: of the calibration: the probability is 1 / (1 + exp(-(slope · decision + offset))).
    """

    scaling: Scaling
    vectors: Floats
    weights: Floats
    intercept: float
    gamma: float
    slope: float
    offset: float

    def predict(self, face: Floats, means: Floats) -> Floats:
        """Return the calibrated probability of each person, (n,)."""
        return logistic(self.slope * self._decide(self.scaling.apply(face, means)) + self.offset)

    def split(self, face: Floats, means: Floats) -> tuple[float, float]:
        """Split the probability of one person, less that of an average one, into the parts of face and of terms.

        Each part is the Shapley value: the mean of what it adds to an average person and to the other part.
        """
        both = self.scaling.apply(face, means)
        p = face.shape[1]
        known = np.zeros((4, both.shape[1]))
        known[1, :p], known[2, p:], known[3] = both[0, :p], both[0, p:], both[0]
        nothing, face_only, terms_only, everything = logistic(self.slope * self._decide(known) + self.offset)
        of_face = (face_only - nothing + everything - terms_only) / 2
        return float(of_face), float(everything - nothing - of_face)

    def _decide(self, inputs: Floats) -> Floats:
        kernel = _multiply(inputs, self.vectors, self.gamma)
        return np.asarray(kernel @ self.weights + self.intercept)

    def to_arrays(self) -> Arrays:
        own = {f.name: np.asarray(getattr(self, f.name)) for f in fields(self) if f.name != "scaling"}
        return own | {f.name: getattr(self.scaling, f.name) for f in fields(self.scaling)}

    @classmethod
    def load(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        numbers = {name: float(arrays[name]) for name in ("intercept", "gamma", "slope", "offset")}
        scaling = Scaling(*(arrays[f.name] for f in fields(Scaling)))
        return cls(scaling, arrays["vectors"], arrays["weights"], **numbers)


def _multiply(first: Floats, second: Floats, gamma: float | Floats) -> Floats:
    """Return the kernel of each row with each, (..., n, m)."""
    products: Floats = first @ np.swapaxes(second, -1, -2)
    if np.ndim(gamma) == 0 and gamma == 0:
        return products
    squares = (first**2).sum(axis=-1)[..., :, None] + (second**2).sum(axis=-1)[..., None, :] - 2 * products
    return np.asarray(np.exp(-gamma * np.maximum(squares, 0.0)))


@dataclass(frozen=True)
class _TrainingSet:
    """People of a training set: faces (n, p), similarities (n, n) or None, and whether they are patients (n,)."""

    face: Floats
    similarity: Floats | None
    affected: Bools

    def describe(self, rows: Bools) -> tuple[Scaling, Floats]:
        """Describe all people by those of some rows, for k choices of rows at once.

        Args:
            rows: (k, n).

        Returns:
            The scalings, and the inputs (k, n, p + 2).
        """
        means = np.empty((len(rows), len(self.face), 0))
        if self.similarity is not None:
            groups = np.stack([self.affected & rows, ~self.affected & rows], axis=-1)
            means = average_similarity(self.similarity, groups, same=True)
        inside = rows[:, :, None]
        scaling = Scaling(*_standardise(self.face, inside), *_standardise(means, inside & np.isfinite(means)))
        return scaling, scaling.apply(self.face, means)

    def weigh(self, rows: Bools) -> Floats:
        """Return (k, n) weights with the same sum for the patients and the controls of some rows, and mean 1 there."""
        counts = rows.sum(axis=1, keepdims=True)
        patients = (rows & self.affected).sum(axis=1, keepdims=True)
        shares: Floats = rows * np.where(self.affected, counts / (2 * patients), counts / (2 * (counts - patients)))
        return shares


def _fit_machine(training: _TrainingSet, limits: tuple[float, ...], seed: int) -> Machine:
    if len(training.face) < FEW:
        return _fit_logistic_regression(training, limits)
    folds = _draw_folds(training.affected, seed)
    rows = np.stack([folds != fold for fold in range(-1, folds.max() + 1)])  # everybody, and those outside each fold
    scalings, inputs = training.describe(rows)
    gammas = _measure_gammas(inputs, rows)
    kernels = _multiply(inputs, inputs, gammas[:, None, None])
    signs, shares = np.where(training.affected, 1.0, -1.0), training.weigh(rows)
    inner = np.repeat(np.arange(1, len(rows)), len(limits))
    bounds = np.tile(limits, len(rows) - 1)[:, None] * shares[inner]
    weights, intercepts = fit_support_vectors(kernels, inner, signs, bounds)
    values = (kernels[inner] @ weights[:, :, None])[:, :, 0] + intercepts[:, None]
    unseen = values.reshape(len(rows) - 1, len(limits), -1)[folds, :, np.arange(len(folds))].T
    slopes, offsets = fit_calibrations(unseen, training.affected, shares[0])
    best = _choose(logistic(slopes[:, None] * unseen + offsets[:, None]), training.affected, shares[0])
    weights, intercepts = fit_support_vectors(kernels, np.array([0]), signs, limits[best] * shares[:1])
    used = weights[0] != 0
    numbers = map(float, (intercepts[0], gammas[0], slopes[best], offsets[best]))
    return Machine(scalings.take(0), inputs[0][used], weights[0][used], *numbers)


def _measure_gammas(inputs: Floats, rows: Bools) -> Floats:
    """Return 1 / (number · variance) of the inputs (k, n, d) of some rows (k, n), (k,)."""
    d = inputs.shape[2]
    inside = rows / (rows.sum(axis=1, keepdims=True) * d)
    variance = (inside * (inputs**2).sum(axis=2)).sum(axis=1) - (inside * inputs.sum(axis=2)).sum(axis=1) ** 2
    return np.asarray(1 / (d * variance))


def _fit_logistic_regression(training: _TrainingSet, limits: tuple[float, ...]) -> Machine:
    """Fit a logistic regression, with C chosen by leaving out one person after the other."""
    from sklearn.linear_model import LogisticRegression

    rows = np.vstack([np.ones((1, len(training.face)), dtype=bool), ~np.eye(len(training.face), dtype=bool)])
    scalings, inputs = training.describe(rows)

    def fit(place: int, limit: float) -> Any:
        regression = LogisticRegression(C=limit, class_weight="balanced", max_iter=10_000)
        return regression.fit(inputs[place][rows[place]], training.affected[rows[place]])

    people = range(len(training.face))
    probabilities = [
        [fit(1 + person, limit).predict_proba(inputs[1 + person, [person]])[0, 1] for person in people]
        for limit in limits
    ]
    best = _choose(np.array(probabilities), training.affected, training.weigh(rows)[0])
    regression = fit(0, limits[best])
    return Machine(scalings.take(0), regression.coef_, np.ones(1), float(regression.intercept_[0]), 0.0, 1.0, 0.0)


def _draw_folds(affected: Bools, seed: int) -> npt.NDArray[np.intp]:
    """Draw the inner fold of each person, the same number of patients in each, and of controls."""
    folds = np.empty(len(affected), dtype=np.intp)
    rng = np.random.default_rng(seed)
    for group in (affected, ~affected):
        folds[group] = rng.permutation(group.sum()) % min(_INNER_FOLDS, _count_smaller(affected))
    return folds


def _choose(probabilities: Floats, affected: Bools, shares: Floats) -> int:
    """Return the place of the smallest C whose weighted Brier score is the lowest, up to rounding."""
    brier = ((probabilities - affected) ** 2 * shares).mean(axis=1)
    return int((brier < brier.min() + _TIE).argmax())


@dataclass(frozen=True)
class FaceAndTermsPredictor(Predictor):
    """Fitted `FaceAndTerms`; needs NumPy and the hierarchy of HPO.

    Somebody may have terms that nobody of the training set has: replace `layout` by that of the features.

    Attributes:
        parts: what it goes by.
        left_out: terms that do not count, with all below them.
        one_sided: see `FaceAndTerms`.
        terms: (u,) ids of the terms of the training set.
        people: (m, u) terms of its people who have some. They are personal data.
        affected: (m,) whether these are patients.
        machines: by "both", "face" or "terms".
    """

    parts: Parts
    left_out: tuple[str, ...]
    one_sided: bool
    terms: tuple[str, ...]
    people: Bools
    affected: Bools
    machines: Mapping[str, Machine]

    def predict_patients(self, X: Matrix) -> Floats:
        face, means = self._describe(X)
        names = np.array(self._name_machines(means))
        probabilities = np.empty(len(names))
        for name in frozenset(names):
            rows = names == name
            probabilities[rows] = self.machines[name].predict(*_take(name, face[rows], means[rows]))
        return probabilities

    def name_parts(self, X: Matrix) -> list[str]:
        """Return what each answer goes by: "face" in place of "both" for somebody without a term that counts."""
        return self._name_machines(self._describe(X)[1])

    def explain(self, x: Matrix) -> tuple[Reason, ...]:
        face, means = self._describe(x[None])
        (name,) = self._name_machines(means)
        machine = self.machines[name]
        of_face, of_terms = machine.split(*_take(name, face, means))
        blocks = [Reason("block", DESCRIPTOR, of_face), Reason("block", TERMS, of_terms)]
        if name != self.parts:
            return (blocks[0], Reason("block", f"{TERMS}: none that counts, the face alone decides", 0.0))
        terms, has = self._select(x[None])
        own = has[0].nonzero()[0]
        without = np.repeat(has, len(own), axis=0)
        without[np.arange(len(own)), own] = False
        others = machine.predict(*_take(name, np.repeat(face, len(own), axis=0), self._average(terms, without)))
        changes = (machine.predict(*_take(name, face, means)) - others).tolist()
        each = (Reason("term", self._describe_term(terms[i]), change) for i, change in zip(own, changes, strict=True))
        return (*blocks, *rank_reasons(each, REASONS))

    def _describe_term(self, term: str) -> str:
        """Return its label, and which part of the training set has exactly this term."""
        label = f"{find_term(term).term.label} ({term})"
        if term not in self.terms:
            return f"{label}: nobody of the training set has it"
        has = self.people[:, self.terms.index(term)]
        patients, controls = has[self.affected].mean(), has[~self.affected].mean()
        return f"{label}: {patients:.0%} of the patients and {controls:.0%} of the controls have it"

    def _name_machines(self, means: Floats) -> list[str]:
        if self.parts != "both":
            return [self.parts] * len(means)
        return ["both" if known and "both" in self.machines else "face" for known in np.isfinite(means[:, 0])]

    def _describe(self, X: Matrix) -> tuple[Floats, Floats]:
        """Return the faces (n, p), and the mean similarity to patients and controls (n, 2), NaN without terms."""
        return X[:, self.layout[DESCRIPTOR]].astype(np.float64), self._average(*self._select(X))

    def _select(self, X: Matrix) -> tuple[tuple[str, ...], Bools]:
        return select_features(X, self.layout, self.left_out)

    def _average(self, terms: tuple[str, ...], has: Bools) -> Floats:
        compared = compare_terms(terms, self.terms)
        similarity = compare_people(has, self.people, compared, one_sided=self.one_sided)
        return average_similarity(similarity, np.stack([self.affected, ~self.affected], axis=1))

    def to_arrays(self) -> tuple[Arrays, Settings]:
        arrays, settings = super().to_arrays()
        machines = settings.pop("machines")
        for name, machine in machines.items():
            arrays |= {f"{name}.{key}": value for key, value in machine.to_arrays().items()}
        return arrays, settings

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any]) -> Self:
        machines: dict[str, Any] = {}
        own: Arrays = {}
        for key, value in arrays.items():
            machine, dot, name = key.partition(".")
            (machines.setdefault(machine, {}) if dot else own)[name or key] = value
        fitted = {name: Machine.load(parts) for name, parts in machines.items()}
        lists = {key: tuple(settings[key]) for key in ("left_out", "terms") if key in settings}
        return super().from_arrays(own, {**settings, **lists, "machines": fitted})


def select_features(X: Matrix, layout: Layout, left_out: tuple[str, ...]) -> tuple[tuple[str, ...], Bools]:
    """Return the terms of the features that count (u,), and who has them (n, u); none without the block "terms"."""
    selection = select_terms(layout.terms, left_out)
    return selection.terms, selection.apply(X[:, layout[TERMS]] if TERMS in layout else X[:, :0])


def _take(name: str, face: Floats, means: Floats) -> tuple[Floats, Floats]:
    """Return the inputs of the machine of this name; those that it does not use have no columns."""
    return face[:, : 0 if name == "terms" else None], means[:, : 0 if name == "face" else None]


@dataclass(eq=False)
class FaceAndTerms(Estimator):
    """Support vector machine over the descriptor of a face and the similarity of HPO terms.

    Attributes:
        parts: "both", or "face" or "terms" alone.
        limits: values of C, ascending.
        left_out: HPO terms that do not count, with all below them.
        one_sided: compare by the terms of the described person alone, not by those of the other one too as published.
            Then somebody with many terms is not taken for a patient because patients were described more thoroughly.
    """

    parts: Parts = "both"
    limits: tuple[float, ...] = LIMITS
    left_out: tuple[str, ...] = PUBLISHED_LEFT_OUT
    one_sided: bool = False

    BLOCKS: ClassVar[tuple[str, ...]] = (DESCRIPTOR,)

    def train(self, X: Matrix, patients: Bools) -> FaceAndTermsPredictor:
        if self.parts not in get_args(Parts):
            raise ConfigError(f"parts are {self.parts!r}; expected one of {', '.join(get_args(Parts))}")
        face = X[:, self.layout[DESCRIPTOR]].astype(np.float64)
        terms, has = select_features(X, self.layout, self.left_out)
        known = has.any(axis=1)
        machines = {}
        if self.parts != "terms":
            machines["face"] = self._fit(face, None, patients)
        if self.parts == "terms" or (self.parts == "both" and _count_smaller(patients[known]) >= 2):
            compared = compare_terms(terms, terms)
            similarity = compare_people(has[known], has[known], compared, one_sided=self.one_sided)
            machines[self.parts] = self._fit(_take(self.parts, face[known], face)[0], similarity, patients[known])
        return FaceAndTermsPredictor(
            self.layout, self.parts, self.left_out, self.one_sided, terms, has[known], patients[known], machines
        )

    def _fit(self, face: Floats, similarity: Floats | None, patients: Bools) -> Machine:
        if _count_smaller(patients) < 2:
            raise DatasetError(
                f"{patients.sum()} patients and {(~patients).sum()} controls; expected at least two of either"
                + (", with HPO terms that count" if similarity is not None else "")
            )
        return _fit_machine(_TrainingSet(face, similarity, patients), self.limits, self.seed)


@dataclass(eq=False)
class FaceAndOwnTerms(FaceAndTerms):
    """`FaceAndTerms` by the terms of the described person alone, for groups that were described unevenly."""

    one_sided: bool = True


def count_terms(features: FaceFeatures) -> Floats:
    """Count the terms of each face that the model compares, (n,)."""
    has = select_features(features.X, features.layout, PUBLISHED_LEFT_OUT)[1]
    return np.asarray(has.sum(axis=1), np.float64)


def list_unusable_terms(features: FaceFeatures) -> list[tuple[str, str]]:
    """List the file and the reason for each term of a face that is no phenotypic abnormality of HPO."""
    terms = features.layout.terms
    problems = select_terms(terms).problems
    block = features.block(TERMS) if terms else np.empty((len(features), 0))
    places = [(terms.index(name), name, problem) for name, problem in problems.items()]
    return [
        (file, f"the term {name!r} does not count: {problem}")
        for file, row in zip(features.files, block, strict=True)
        for column, name, problem in places
        if row[column]
    ]


def _count_smaller(patients: Bools) -> int:
    return int(min(patients.sum(), (~patients).sum()))
