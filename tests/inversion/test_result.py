"""Inversions as values."""

from __future__ import annotations

import torch

from inversion.result import Inversion, join_inversions


def test_inversions_side_by_side_are_joined() -> None:
    w, picture = torch.zeros(1, 2, 4), torch.zeros(1, 3, 8, 8)
    bent = Inversion(w + 1, {"b4.conv1": torch.ones(1, 5, 5, 3, 3)}, picture, (), (1,), "hyperstyle")
    both = join_inversions([Inversion(w, {}, picture - 1, (), (0,), "hyperstyle"), bent])
    assert len(both) == 2
    assert both.steps == (0, 1)
    assert both.offsets["b4.conv1"].sum(dim=(1, 2, 3, 4)).tolist() == [0, 225]
    torch.testing.assert_close(both[1].w, bent.w)
