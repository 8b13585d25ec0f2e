"""The controller of adaptive augmentation."""

from __future__ import annotations

import math
from typing import Any

import pytest

from core.errors import ConfigError
from gen.augmentation.ada import AdaConfig, next_p


@pytest.mark.parametrize(("real_sign", "expected"), [(0.9, 0.5002), (0.3, 0.4998), (0.6, 0.5), (math.nan, 0.5)])
def test_p_moves_towards_the_target(real_sign: float, expected: float) -> None:
    config = AdaConfig(target=0.6, interval=4, speed_kimg=320)
    assert next_p(0.5, real_sign, 16, config) == pytest.approx(expected, abs=1e-12)


def test_p_moves_by_one_in_the_speed() -> None:
    config = AdaConfig(speed_kimg=100)
    p, decisions = 0.0, 100_000 // (32 * config.interval)
    for _ in range(decisions):
        p = next_p(p, 1.0, 32, config)
    assert p == pytest.approx(1, abs=2e-3)


def test_p_stays_a_probability() -> None:
    config = AdaConfig(speed_kimg=1)
    assert next_p(0.001, -1, 16, config) == 0
    assert next_p(0.999, 1, 16, config) == 1
    assert next_p(0.79, 1, 16, AdaConfig(speed_kimg=1, p_max=0.8)) == 0.8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": 1.0}, "target is 1.0"),
        ({"interval": 0}, "interval is 0"),
        ({"speed_kimg": 0}, "speed_kimg is 0"),
        ({"speed_kimg": math.inf}, "speed_kimg is inf"),
        ({"p_max": 0.0}, "p_max is 0.0"),
        ({"p_max": 1.1}, "p_max is 1.1"),
    ],
)
def test_configurations_that_make_no_sense(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AdaConfig(**change)
