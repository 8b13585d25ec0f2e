"""Which images something was trained on, and how that is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import DatasetError
from core.seen_images import NOTHING, UNKNOWN, SeenImages

A, B, C = ("0123456789abcdef" * 4, "f" * 64, "0" * 64)


def test_whole_keys_are_shortened() -> None:
    assert SeenImages.of([A, B[:16]]).keys == {"0123456789abcdef", "f" * 16}


def test_together_they_are_complete_if_both_are() -> None:
    both = SeenImages.of([A]) | SeenImages.of([A, B])
    assert both == SeenImages.of([A, B])
    assert both | NOTHING == both
    assert both | UNKNOWN == SeenImages(both.keys, complete=False)
    assert (NOTHING.known, both.known, UNKNOWN.known, (both | UNKNOWN).known) == (True, True, False, True)


def test_seen_images_are_stored_compactly_and_in_no_order() -> None:
    seen = SeenImages.of([A, B, C], complete=False)
    stored = json.dumps(seen.to_json())
    assert stored == json.dumps(SeenImages.of([C, B, A], complete=False).to_json())
    assert SeenImages.from_json(json.loads(stored)) == seen
    assert SeenImages.from_json(NOTHING.to_json()) == NOTHING
    assert SeenImages.from_json(None) == UNKNOWN
    many = SeenImages.of(f"{n:016x}" for n in range(900))
    assert len(many.to_json()["keys"]) < 900 * 11


@pytest.mark.parametrize("key", ["", "0123", "0123456789ABCDEF", "x" * 16])
def test_keys_of_another_form_are_refused(key: str) -> None:
    with pytest.raises(DatasetError, match="is no key of an image; expected its first 16 hex digits"):
        SeenImages.of([key])


@pytest.mark.parametrize(
    "stored", [{}, {"keys": "AAAA", "complete": True}, {"keys": "?", "complete": True}, {"keys": "", "complete": 1}]
)
def test_damaged_ones_are_refused(stored: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match="write them again"):
        SeenImages.from_json(stored)
