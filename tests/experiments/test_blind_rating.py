from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import ConfigError
from experiments.blind_rating import draw_pairs, list_edits, list_reconstructions


def test_pairs_are_those_that_the_verdict_admits(tmp_path: Path) -> None:
    rows = [
        "a.jpg,good,good",
        "b.jpg,good,refused",
        "c.jpg,out of domain,doubtful",
        "d.jpg,doubtful,doubtful",
        "e.jpg,,",
    ]
    (tmp_path / "report.csv").write_text("photograph,inversion,verdict\n" + "\n".join(rows))
    edits, good = list(list_edits(tmp_path)), list(list_reconstructions(tmp_path))
    assert [pair.picture.name for pair in edits] == ["a-edited.png", "d-edited.png"]
    assert [pair.picture.name for pair in good] == ["a.png"]
    with pytest.raises(ConfigError):
        draw_pairs([], [], 8, 0)


def test_half_of_the_pairs_are_edits_as_far_as_there_are_enough(tmp_path: Path) -> None:
    rows = "\n".join(f"{number}.jpg,good,good" for number in range(20))
    (tmp_path / "report.csv").write_text(f"photograph,inversion,verdict\n{rows}")
    edits, good = list(list_edits(tmp_path)), list(list_reconstructions(tmp_path))
    for made, kept, count, of_edits in ((edits, good, 16, 8), (edits, good[:3], 16, 13), (edits[:2], good, 16, 2)):
        drawn = draw_pairs(kept, made, count, 0)
        assert (len(drawn), sum(pair.kind == "edit" for pair in drawn)) == (count, of_edits)
    assert draw_pairs(good, edits, 16, 1) == draw_pairs(good, edits, 16, 1) != draw_pairs(good, edits, 16, 2)
