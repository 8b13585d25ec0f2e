"""Experiments that measure a generator: they render images, let an oracle read them, and compute statistics.

Seeds: training and image sets draw their random vectors from different generators, so no image here was used in
training. Measurements for tuning (`quick_frechet` at every snapshot) use TUNING_SEED. Published figures use
EVALUATION_SEED, on which nothing is tuned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from core.errors import ConfigError
from core.precision import Precision
from core.statistics.rank_correlation import compute_spearman
from faces.image_set_request import ImageSetRequest
from faces.images import Pixels
from faces.measures.distances import Coverage, Features, Moments, coverage, drop_unknown_rows, frechet, kernel, moments
from faces.measures.reading_statistics import Accuracy, Drift, Places, Response, accuracy, drift, response
from faces.oracle.attribute_network import Oracle, OracleConfig, Reading
from gen.imagesets import Row, expand
from gen.labels import Vocabulary
from gen.networks import Generator
from gen.sampler import Sampler

EVALUATION_SEED: Final = 9_000_000
"""Seed from which the seeds of published figures are made. Never tune on it."""

TUNING_SEED: Final = 5_000_000
"""Seed for figures that decide something: which snapshot to keep, when to stop."""

BLEND_WEIGHTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)

CHUNK: Final = 64
"""Number of images rendered between two reports of progress."""

Extract = Callable[[Pixels], Features]
"""Features (n, d) of images uint8 (n, h, h, 3); a row of NaN for an image that has none."""

OnProgress = Callable[[int], None]
"""Called with the number of images made since the last call."""


def quick_frechet(
    generator: Generator,
    real: Moments,
    extract: Extract,
    *,
    labels: Tensor | npt.NDArray[np.float32] | None = None,
    n: int = 500,
    seed: int = TUNING_SEED,
    precision: Precision = "float32",
) -> float:
    """Compute the squared Fréchet distance of n generated images to real ones, as a figure for a snapshot. It is
    comparable only with figures of the same n.

    Args:
        real: `faces.measures.distances.moments` of the features of the real images.
        extract: function that computed those features, such as `Oracle.features`.
        labels: (m, c_dim) of the real images, from which those of the generated ones are drawn; None for equal numbers
            of every condition and age.

    Raises:
        ConfigError: a generator without a vocabulary, or fewer than two images with features.
    """
    vocabulary = require_vocabulary(generator)
    request = ImageSetRequest("unrelated", vocabulary.conditions, seed=seed, truncation=1.0, precision=precision)
    if labels is None:
        rows = balanced_rows(request, vocabulary, n)
    else:
        rows = rows_like(np.asarray(labels), request, vocabulary, n)
    images = Sampler(generator, precision=precision).render(rows, request)
    return frechet(moments(drop_unknown_rows(extract(images))), real)


def require_vocabulary(generator: Generator) -> Vocabulary:
    """Return the generator's vocabulary; raise ConfigError if the generator takes no labels."""
    vocabulary = generator.config.vocabulary
    if vocabulary is None:
        raise ConfigError("the generator has no vocabulary; expected one with conditions and ages: import it into one")
    return vocabulary


def balanced_rows(request: ImageSetRequest, vocabulary: Vocabulary, n: int) -> list[Row]:
    """Make n rows of an `unrelated` request, as many of every condition and age as n allows."""
    cells = len(vocabulary.conditions) * len(vocabulary.ages)
    each = -(-n // cells)
    rows = expand(replace(request, count=each), vocabulary, {})
    by_turns = [row for number in range(each) for row in rows[number::each]]
    return by_turns[:n]


def rows_like(labels: npt.NDArray[np.floating], request: ImageSetRequest, vocabulary: Vocabulary, n: int) -> list[Row]:
    """Make n rows with labels drawn from labels (m, c_dim), mixtures (unknown ages) included.

    Raises:
        ConfigError: the labels have the size of another vocabulary.
    """
    if labels.ndim != 2 or labels.shape[1] != vocabulary.c_dim or not len(labels):
        raise ConfigError(f"labels are {labels.shape}; expected (n, {vocabulary.c_dim}), as the generator takes them")
    chosen = np.random.default_rng(request.seed).integers(len(labels), size=n)
    rows = balanced_rows(request, vocabulary, n)
    return [replace(row, c=tuple(labels[at].tolist())) for row, at in zip(rows, chosen, strict=True)]


def is_balanced(labels: npt.NDArray[np.floating], vocabulary: Vocabulary) -> bool:
    """Tell whether all labels (m, c_dim) are one-hot twice and all conditions and ages equally frequent to within a
    tenth."""
    conditions, ages = np.split(labels, [len(vocabulary.conditions)], axis=1)
    if conditions.max(axis=1).min() < 1 or ages.max(axis=1).min() < 1:
        return False
    counts = np.zeros((conditions.shape[1], ages.shape[1]))
    np.add.at(counts, (conditions.argmax(axis=1), ages.argmax(axis=1)), 1)
    return bool(counts.min() >= 0.9 * counts.max())


@dataclass(frozen=True)
class ReadableLabels:
    """Labels of a vocabulary that an oracle can check.

    Attributes:
        conditions, ages: None if the oracle can check them, otherwise the reason why not.
    """

    conditions: str | None
    ages: str | None

    @staticmethod
    def of(vocabulary: Vocabulary, oracle: OracleConfig, *, phantoms: bool) -> ReadableLabels:
        if not phantoms:
            reason = "the oracle reads phantoms only, and the data are photographs"
            return ReadableLabels(reason, reason)
        strange = set(vocabulary.conditions) - set(oracle.conditions)
        strange_ages = [age.name for age in vocabulary.ages if age not in oracle.ages]
        return ReadableLabels(
            "there is one condition only"
            if len(vocabulary.conditions) == 1
            else f"the oracle does not know {', '.join(sorted(strange))}"
            if strange
            else None,
            "there is one age group only"
            if len(vocabulary.ages) == 1
            else f"the oracle does not know {', '.join(strange_ages)}, or within other limits"
            if strange_ages
            else None,
        )


@dataclass(frozen=True)
class Order:
    """Read ages along progressions.

    Attributes:
        correlation: mean over people of Spearman's correlation of step and read age.
        years: quantiles 0.1, 0.5 and 0.9 of the age read at each step.
    """

    correlation: float
    years: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Progressions:
    """Figures of age progressions; None if the oracle cannot read them.

    Attributes:
        people: number of people, of all conditions together.
        order: order of the ages.
        drift: drift of the identity, in the entries that the oracle reads at every age.
        drift_of_all: drift in all entries, including those that only some ages show.
    """

    people: int
    order: Order | None
    drift: Drift | None
    drift_of_all: Drift | None


@dataclass(frozen=True)
class Blends:
    """Figures of blends, over all ordered pairs of conditions and all ages."""

    people: int
    response: Response


@dataclass(frozen=True)
class LabelAgreement:
    """Figures of images of every condition and age.

    Attributes:
        condition, age_group: accuracy; None if the oracle cannot read it.
        years: quantiles 0.1, 0.5 and 0.9 of the age read for each requested age group; empty if it cannot read ages.
    """

    condition: Accuracy | None
    age_group: Accuracy | None
    years: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Distances:
    """Distances of generated to real images, on one kind of features.

    Attributes:
        frechet: squared Fréchet distance.
        frechet_floor: distance of as many real images to the other real ones; None if there are too few.
        kernel, kernel_error: squared kernel distance, unbiased, and its standard error.
        precision, recall: see faces.measures.distances.Coverage.
        variety: mean distance between two generated images, relative to two real ones.
        generated, real: number of images with features.
    """

    frechet: float
    frechet_floor: float | None
    kernel: float
    kernel_error: float
    precision: float
    recall: float
    variety: float
    generated: int
    real: int


class Experiment:
    """Image sets of one generator at one truncation, and their readings.

    Args:
        generator: generator with a vocabulary.
        oracle: network that reads the images.
        readable: labels that the oracle can check.
        truncation: psi in [0, 1].
        seed: seed of the persons.
        precision: of the generator's convolutions.
        on_progress: called with the number of images made since the last call.
    """

    def __init__(
        self,
        generator: Generator,
        oracle: Oracle,
        readable: ReadableLabels,
        *,
        truncation: float,
        seed: int = EVALUATION_SEED,
        precision: Precision = "float32",
        on_progress: OnProgress = lambda done: None,
    ) -> None:
        self.vocabulary = require_vocabulary(generator)
        self.oracle, self.readable = oracle, readable
        self.truncation, self.seed, self.precision = truncation, seed, precision
        self._sampler, self._on_progress = Sampler(generator, precision=precision), on_progress

    def request(self, kind: str, **fields: object) -> ImageSetRequest:
        """Make a request for all conditions at this truncation, seed and precision."""
        base = ImageSetRequest(kind, self.vocabulary.conditions, seed=self.seed, precision=self.precision)
        return replace(base, truncation=self.truncation, **fields)  # type: ignore[arg-type]

    def render(self, rows: Sequence[Row], request: ImageSetRequest) -> Pixels:
        """Render images uint8 (n, h, h, 3)."""
        return np.concatenate(list(self._render_chunks(rows, request)))

    def read(self, rows: Sequence[Row], request: ImageSetRequest) -> Reading:
        """Read images by the oracle without keeping them."""
        return Reading.cat([self.oracle.read_pixels(images) for images in self._render_chunks(rows, request)])

    def _render_chunks(self, rows: Sequence[Row], request: ImageSetRequest) -> Iterator[Pixels]:
        for start in range(0, len(rows), CHUNK):
            images = self._sampler.render(rows[start : start + CHUNK], request)
            self._on_progress(len(images))
            yield images

    def measure_labels(self, rows: Sequence[Row], reading: Reading) -> LabelAgreement:
        """Compare the reading of images with the one-hot labels of their rows."""
        vocabulary, oracle = self.vocabulary, self.oracle.config
        conditions, ages = find_requested_cells(rows, vocabulary)
        can_condition, can_age = self.readable.conditions is None, self.readable.ages is None
        years = reading.age_years.double().numpy()
        return LabelAgreement(
            accuracy(conditions, reading.condition.numpy(), vocabulary.conditions, oracle.conditions)
            if can_condition
            else None,
            accuracy(ages, reading.age_group.numpy(), vocabulary.age_names, tuple(age.name for age in oracle.ages))
            if can_age
            else None,
            tuple(_quantiles(years[ages == age]) for age in range(len(vocabulary.ages))) if can_age else (),
        )

    def measure_progressions(self, people: int, *, steady: Sequence[int] = ()) -> Progressions:
        """Measure age progressions of `people` of each condition.

        Args:
            steady: places of the identity's entries that can be read at every age; empty if the oracle cannot
                read identities.
        """
        request = self.request("age_progression", count=people)
        rows = expand(request, self.vocabulary, {})
        reading, steps = self.read(rows, request), len(self.vocabulary.ages)
        years = reading.age_years.double().numpy().reshape(-1, steps)
        order = None
        if self.readable.ages is None:
            correlation = float(np.nan_to_num(compute_spearman(np.arange(steps), years)).mean())
            order = Order(correlation, tuple(_quantiles(years[:, step]) for step in range(steps)))
        conditions = find_requested_cells(rows, self.vocabulary)[0][::steps]
        who = reading.identity.double().numpy().reshape(len(years), steps, -1)
        if not steady:
            return Progressions(len(years), order, None, None)
        return Progressions(len(years), order, drift(who[:, :, steady], conditions), drift(who, conditions))

    def measure_blends(self, each: int) -> Blends | None:
        """Measure blends of every ordered pair of conditions, `each` people per age group; None if the oracle cannot
        read conditions."""
        if self.readable.conditions is not None:
            return None
        columns = [self.oracle.config.conditions.index(name) for name in self.vocabulary.conditions]
        logs = []
        for weight in BLEND_WEIGHTS:
            request = self.request("blended", count=each, blend=weight)
            rows = expand(request, self.vocabulary, {})
            first = [columns[self.vocabulary.conditions.index(row.condition)] for row in rows]
            chances = self.read(rows, request).condition_logits.double().log_softmax(dim=1).numpy()
            logs.append(chances[np.arange(len(rows)), first])
        return Blends(len(logs[0]), response(np.array(BLEND_WEIGHTS), np.stack(logs, axis=1)))


def images_to_make(vocabulary: Vocabulary, readable: ReadableLabels, count: int, *, as_data: bool) -> int:
    """Count the images of one truncation: `count` of every label, as many in progressions and in blends."""
    total = count * (2 if as_data else 1) + people_for(vocabulary, count) * len(vocabulary.conditions) * len(
        vocabulary.ages
    )
    if readable.conditions is None:
        pairs = len(vocabulary.conditions) * (len(vocabulary.conditions) - 1)
        total += blends_for(vocabulary, count) * pairs * len(vocabulary.ages) * len(BLEND_WEIGHTS)
    return total


def people_for(vocabulary: Vocabulary, count: int) -> int:
    """Return how many people of each condition have progressions of about `count` images in all; at least two."""
    return max(2, count // (len(vocabulary.conditions) * len(vocabulary.ages)))


def blends_for(vocabulary: Vocabulary, count: int) -> int:
    """Return how many people of each pair and age have blends of about `count` images in all; at least one."""
    pairs = max(1, len(vocabulary.conditions) * (len(vocabulary.conditions) - 1))
    return max(1, count // (pairs * len(vocabulary.ages) * len(BLEND_WEIGHTS)))


def find_requested_cells(rows: Sequence[Row], vocabulary: Vocabulary) -> tuple[Places, Places]:
    """Find the places (n,) of the condition and of the age group that rows ask for."""
    conditions = np.array([vocabulary.conditions.index(row.condition) for row in rows], dtype=np.int64)
    ages = np.array([vocabulary.age_names.index(row.age_group) for row in rows], dtype=np.int64)
    return conditions, ages


def measure_distances(generated: Features, real: Features, *, seed: int = 0) -> Distances:
    """Compute distances of features (n, d) and (m, d), without rows of NaN (images without features).

    Precision, recall and variety use equal numbers of real and generated images.

    Raises:
        ConfigError: too few images with features.
    """
    generated, real = drop_unknown_rows(generated), drop_unknown_rows(real)
    n = len(generated)
    shuffled = real[np.random.default_rng(seed).permutation(len(real))]
    as_many, others = shuffled[:n], shuffled[n:]
    ours, theirs = moments(generated), moments(real)
    near: Coverage = coverage(as_many, generated)
    gap = kernel(generated, as_many, seed=seed)
    return Distances(
        frechet=frechet(ours, theirs),
        frechet_floor=frechet(moments(as_many), moments(others)) if len(others) >= n else None,
        kernel=gap.value,
        kernel_error=gap.standard_error,
        precision=near.precision,
        recall=near.recall,
        variety=_mean_distance(generated, seed) / _mean_distance(as_many, seed),
        generated=n,
        real=len(real),
    )


def cell_names(vocabulary: Vocabulary) -> tuple[str, ...]:
    """Name condition and age of the cells that `number_cells` numbers."""
    return tuple(f"{condition}, {age}" for condition in vocabulary.conditions for age in vocabulary.age_names)


def number_cells(labels: npt.NDArray[np.floating], vocabulary: Vocabulary) -> Places:
    """Number the condition and age of labels (n, c_dim); -1 if either is not known."""
    conditions, ages = np.split(labels, [len(vocabulary.conditions)], axis=1)
    cells = conditions.argmax(axis=1) * len(vocabulary.ages) + ages.argmax(axis=1)
    known = (conditions.max(axis=1) == 1) & (ages.max(axis=1) == 1)
    return np.where(known, cells, -1)


def _mean_distance(x: Features, seed: int) -> float:
    """Estimate the mean distance between two rows from ten times as many random pairs as rows."""
    rng = np.random.default_rng(seed)
    shuffled = [x[rng.permutation(len(x))] for _ in range(10)]
    gaps = [np.linalg.norm(y - np.roll(y, 1, axis=0), axis=1).mean() for y in shuffled]
    return float(np.mean(gaps))


def _quantiles(x: Features) -> tuple[float, float, float]:
    if not len(x):
        return (float("nan"),) * 3
    low, middle, high = np.quantile(x, [0.1, 0.5, 0.9])
    return float(low), float(middle), float(high)
