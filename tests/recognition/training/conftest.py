"""Fixture of tests that train."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recognition.plots import skip_plots


@pytest.fixture(scope="module", autouse=True)
def no_plots() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        skip_plots(patch)
        yield
