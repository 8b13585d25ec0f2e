"""Profiles: `ordinary` is short and repeats itself; `nightly` draws new examples and keeps those that fail."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "ordinary",
    max_examples=15,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # nothing is made smaller, so that a failure is soon reported
)
settings.register_profile(
    "nightly", max_examples=300, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile(config.getoption("--hypothesis-profile", None) or "ordinary")
