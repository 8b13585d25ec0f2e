"""Numbers of HPO terms of patients and controls, by which alone they may be told apart."""

from __future__ import annotations

from dataclasses import dataclass

from recognition.statistics import Interval
from recognition.syndromes.cohorts.scores import Floats, Ints, bound_auc


@dataclass(frozen=True)
class TermCounts:
    """Numbers of terms of matched people.

    Attributes:
        patients, controls: mean number of terms of each group.
        auc: area under the ROC curve of the number alone. Away from 0.5, a model of terms recognises how thoroughly
            people were described.
    """

    patients: float
    controls: float
    auc: Interval


def measure_term_counts(labels: Ints, counts: Floats, pairs: Ints | None = None) -> TermCounts:
    """Measure how unevenly people were described.

    Args:
        labels, pairs: see `measure_scores`.
        counts: (n,) number of terms of each person.
    """
    patients, controls = (float(counts[labels == label].mean()) for label in (1, 0))
    return TermCounts(patients, controls, bound_auc(labels, counts, pairs))
