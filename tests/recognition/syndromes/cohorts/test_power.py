from __future__ import annotations

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from recognition.syndromes.cohorts.power import simulate_power


def test_power_grows_with_the_number_of_patients_and_the_level_holds_without_a_group() -> None:
    generator = np.random.default_rng(0)
    controls, others = generator.normal(size=(2, 80, 6))
    patients = generator.normal(0, 0.6, (80, 6)) + 0.8
    few, many = simulate_power(patients, controls, (4, 25), groups=40, permutations=99)
    assert few.found.value < 0.5 < 0.9 < many.found.value
    assert few.told_apart.value == 0 < many.told_apart.value
    assert 0.5 < few.separation < many.separation
    assert min(few.kept.value, many.kept.value) > 0.85
    none, *_ = simulate_power(others, controls, [6], groups=60, permutations=99)
    assert none.found.value < 0.13
    assert none.found.low < 0.05 < none.found.high


def test_bad_input_is_refused() -> None:
    faces = np.zeros((10, 2))
    with pytest.raises(DatasetError):
        simulate_power(faces, faces[1:], [3])
    with pytest.raises(DatasetError):
        simulate_power(faces, faces, [10])
    with pytest.raises(ConfigError):
        simulate_power(faces, faces, [3], groups=0)
