from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVC

from editing.svm import fit_hyperplane


@pytest.mark.parametrize("noise", [0.05, 0.5, 3.0])
def test_the_support_vector_machine_is_that_of_scikit_learn(noise: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 20))
    positive = x[:, 0] + 0.5 * x[:, 1] + noise * rng.standard_normal(600) > 0.4
    normal, offset = fit_hyperplane(x, positive)
    machine = SVC(kernel="linear", C=1.0, class_weight="balanced").fit(x, positive)
    size = np.linalg.norm(machine.coef_)
    assert normal @ machine.coef_[0] / size > 0.9999
    assert offset == pytest.approx(-machine.intercept_[0] / size, abs=0.01)
    assert np.linalg.norm(normal) == pytest.approx(1)


def test_few_examples_in_many_dimensions() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((30, 128))
    positive = np.arange(30) < 9
    normal, offset = fit_hyperplane(x, positive)
    machine = SVC(kernel="linear", C=1.0, class_weight="balanced").fit(x, positive)
    assert normal @ machine.coef_[0] / np.linalg.norm(machine.coef_) > 0.999
    assert ((x @ normal > offset) == positive).all()
