"""Tests of the published studies, so that their results can be repeated; `studies.analysis.compare` is the better one.

Patel et al. 2024 compare single answers as if each came from a participant and a face of its own. Duong et al. 2022
compare the accuracies of participants with the accuracy of a classifier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError


def published_t_test(correct_a: int, n_a: int, correct_b: int, n_b: int) -> float:
    """Compute p of the unpaired two-sided Student t-test, with equal variances, on answers coded as 0 and 1.

    It repeats the p-values of Tables 2 and 4 of Patel et al. 2024. Who answered, and about which face, is ignored.

    Args:
        correct_a, n_a: correct answers and all answers of the first group.
        correct_b, n_b: the same of the second group.

    Raises:
        ConfigError: counts that are impossible, or fewer than three answers in all.
    """
    for correct, count in ((correct_a, n_a), (correct_b, n_b)):
        if not 0 <= correct <= count or not count:
            raise ConfigError(f"{correct} correct answers of {count}; expected 0 or more of at least one answer")
    a, b = correct_a / n_a, correct_b / n_b
    return _compute_t_test(a - b, n_a * a * (1 - a) + n_b * b * (1 - b), n_a, n_b)


def compute_student_p(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute p of the unpaired two-sided Student t-test, with equal variances, of two groups of values.

    Patel et al. 2024 name no test for Table 3 (probabilities of a classifier) and Figure 3 (smile, AU6 + AU12). This
    one is likely: no rank test gives the values of Table 3.

    Raises:
        ConfigError: a group is empty, or both have fewer than three values in all.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not a.size or not b.size:
        raise ConfigError(f"groups of {a.size} and {b.size} values; expected one value or more in each")
    squares = float(((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum())
    return _compute_t_test(float(a.mean() - b.mean()), squares, a.size, b.size)


def compute_paired_p(values: Sequence[float], reference: float | Sequence[float]) -> float:
    """Compute p of the two-sided paired t-test of values against one reference, or one for each value.

    Duong et al. 2022 compare the accuracy of each participant with the accuracy of the classifier like this.

    Raises:
        ConfigError: fewer than two values.
    """
    differences: npt.NDArray[np.float64] = np.asarray(values, dtype=np.float64) - np.asarray(reference)
    count = differences.size
    if count < 2:
        raise ConfigError(f"{count} values; expected two or more")
    return _compute_t_p(float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(count), count - 1)


def _compute_t_test(difference: float, squares: float, n_a: int, n_b: int) -> float:
    """Compute p from the difference of two means and the sum of squared deviations from them."""
    df = n_a + n_b - 2
    if df < 1:
        raise ConfigError(f"groups of {n_a} and {n_b} values; expected three or more values in all")
    return _compute_t_p(difference, math.sqrt(squares / df * (1 / n_a + 1 / n_b)), df)


def _compute_t_p(difference: float, error: float, df: float) -> float:
    """Compute the two-sided p of a difference with its standard error; without any variation it is 0, or 1 if equal."""
    from scipy.special import stdtr

    if not error:
        return float(not difference)
    return float(2 * stdtr(df, -abs(difference) / error))
