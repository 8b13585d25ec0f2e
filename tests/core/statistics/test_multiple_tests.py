from __future__ import annotations

import math

import pytest

from core.errors import ConfigError
from core.statistics.multiple_tests import holm


def test_holm_is_the_textbooks() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
    with pytest.raises(ConfigError):
        holm([1.5])
    with pytest.raises(ConfigError):
        holm([math.nan])
