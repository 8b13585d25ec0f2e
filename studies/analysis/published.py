"""Tests of the published studies, so that their results can be repeated; `studies.analysis.compare` is the better one.

Patel et al. 2024 compare single answers as if each came from a participant and a face of its own. Duong et al. 2022
compare the accuracies of participants with the accuracy of a classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError

_ROUNDING: Final = 1e-12
"""Differences that differ by less are equal."""


def published_t_test(correct_a: int, n_a: int, correct_b: int, n_b: int) -> float:
    """Compute p of the unpaired two-sided Student t-test, with equal variances, on answers coded as 0 and 1.

    It repeats the p-values of Tables 2 and 4 of Patel et al. 2024. Who answered, and about which face, is ignored.

    Args:
        correct_a, n_a: correct answers and all answers of the first group.
        correct_b, n_b: the same of the second group.

    Raises:
        ConfigError: counts that are impossible, or fewer than three answers in all.
    """
    groups = ((correct_a, n_a), (correct_b, n_b))
    for correct, count in groups:
        if not 0 <= correct <= count or not count:
            raise ConfigError(f"{correct} correct answers of {count}; expected 0 or more of at least one answer")
    return compute_student_p(*(np.repeat([1.0, 0.0], [right, n - right]) for right, n in groups))


def compute_student_p(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Compute p of the unpaired two-sided Student t-test, with equal variances, of two groups of values.

    Without any variation within the groups it is 0, or 1 if they are equal.

    Patel et al. 2024 name no test for Table 3 (probabilities of a classifier) and Figure 3 (smile, AU6 + AU12). This
    one is likely: no rank test gives the values of Table 3.

    Raises:
        ConfigError: a group is empty, or both have fewer than three values in all.
    """
    from scipy.stats import ttest_ind  # takes 2 seconds

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not a.size or not b.size:
        raise ConfigError(f"groups of {a.size} and {b.size} values; expected one value or more in each")
    if a.size + b.size < 3:
        raise ConfigError(f"groups of {a.size} and {b.size} values; expected three or more values in all")
    if not (np.ptp(a) or np.ptp(b)):
        return float(a[0] == b[0])
    return float(ttest_ind(a, b).pvalue)


def compute_paired_p(values: Sequence[float], reference: float | Sequence[float]) -> float:
    """Compute p of the two-sided paired t-test of values against one reference, or one for each value.

    Duong et al. 2022 compare the accuracy of each participant with the accuracy of the classifier like this.

    Raises:
        ConfigError: fewer than two values.
    """
    from scipy.stats import ttest_1samp  # takes 2 seconds

    differences: npt.NDArray[np.float64] = np.asarray(values, dtype=np.float64) - np.asarray(reference)
    if differences.size < 2:
        raise ConfigError(f"{differences.size} values; expected two or more")
    if np.ptp(differences) < _ROUNDING:
        return float(abs(differences[0]) < _ROUNDING)
    return float(ttest_1samp(differences, 0).pvalue)
