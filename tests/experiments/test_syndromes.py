"""Phantoms of the experiment on syndromes, and its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.syndromes import document
from experiments.syndromes.people import CONTROLS, SYNDROMES, draw_controls, draw_patients
from experiments.syndromes.thesis import read_thesis


def test_the_numbers_of_patients_are_the_largest_of_the_thesis() -> None:
    thesis = read_thesis()
    for name, syndrome in SYNDROMES.items():
        numbers = [result.patients for (other, _), result in thesis.items() if other == name]
        assert len(numbers) == 5
        assert syndrome.patients == max(numbers)


def test_strength_scales_what_the_terms_change() -> None:
    plain, weak, strong = (next(iter(draw_patients("KDVS", 1, 0, strength))) for strength in (0.0, 0.2, 0.8))
    moved = [np.array([*person.traits.values()]) - [*plain.traits.values()] for person in (weak, strong)]
    assert np.abs(moved[1]).max() > 0
    assert np.allclose(4 * moved[0], moved[1])
    assert weak.described_terms == strong.described_terms


def test_longer_lists_begin_with_the_shorter_ones() -> None:
    assert [*draw_controls(2, 0)] == [*draw_controls(4, 0)][:2]
    assert {person.condition for person in draw_controls(4, 0)} == {CONTROLS}


def test_the_section_is_replaced_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n## Comparison on phantoms\n\nsuperseded\n\n## Next\n\nkept\n")
    monkeypatch.setattr(document, "PAGE", page)
    (tmp_path / "match").mkdir()
    (tmp_path / "match" / document.TABLE).write_text("| a table |\n")
    absent = document.write_section(tmp_path)
    assert absent == ["compare", "learn", "synthesise"]
    text = page.read_text()
    assert "superseded" not in text
    assert "| a table |" in text
    assert text.endswith("\n\n## Next\n\nkept\n")


def test_parts_whose_files_are_gone_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n## Comparison on phantoms\n\nsuperseded\n\n## Next\n\nkept\n")
    monkeypatch.setattr(document, "PAGE", page)
    for name, table in (("synthesise", "| a table |"), ("match", "| another |")):
        (tmp_path / name / name).mkdir(parents=True)
        (tmp_path / name / name / document.TABLE).write_text(f"{table}\n")
    document.write_section(tmp_path / "synthesise")
    assert document.write_section(tmp_path / "match") == ["compare", "learn"]
    text = page.read_text()
    assert text.index("| another |") < text.index("| a table |")
    assert text.count("Not measured yet") == 1
