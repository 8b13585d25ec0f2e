from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigError
from experiments.explanation.people import (
    AFFECTED,
    CLASSES,
    CONFOUNDED,
    FULL,
    QUICK,
    Scale,
    draw_test_persons,
    draw_training_stack,
    keep_scale,
)

SCALE = Scale(size=32, persons=3)


def test_a_mark_is_planted_into_one_condition_and_nothing_else_changes() -> None:
    plain, marked = draw_training_stack(SCALE, "none"), draw_training_stack(SCALE, "mark")
    differs = (plain.pixels != marked.pixels).any(dim=3)
    assert not differs[:, 8:].any()
    carrying = [sample.condition == CONFOUNDED for sample, one in zip(plain.samples, differs, strict=True) if one.any()]
    assert 0 < len(carrying) < len(plain) // 2
    assert any(carrying)
    assert plain.classes == CLASSES


def test_test_persons_take_turns_and_are_in_no_training_set() -> None:
    persons = draw_test_persons(2)
    assert [person.condition for person in persons] == list(AFFECTED) * 2
    known = {sample.person for sample in draw_training_stack(SCALE, "none").samples}
    assert known.isdisjoint(f"phantom-{person.identity:x}" for person in persons)


def test_a_folder_keeps_its_scale(tmp_path: Path) -> None:
    keep_scale(tmp_path, QUICK)
    keep_scale(tmp_path, QUICK)
    with pytest.raises(ConfigError):
        keep_scale(tmp_path, FULL)
