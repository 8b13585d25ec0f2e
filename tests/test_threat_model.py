"""Every line of the threat model names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "threat-model.md").read_text())))


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_the_threat_model_names_is_a_test(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()


def test_the_threat_model_names_tests() -> None:
    assert len(NAMED) > 30
