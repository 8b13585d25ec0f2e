"""Inversions as values."""

from __future__ import annotations

import torch

from inversion.result import Inversion


def test_one_of_several_inversions_is_an_inversion_with_its_offsets() -> None:
    w, offsets = torch.arange(16.0).view(2, 2, 4), torch.arange(2.0).view(2, 1, 1, 1, 1).expand(2, 5, 5, 3, 3)
    both = Inversion(w, {"b4.conv1": offsets}, torch.zeros(2, 3, 8, 8), (), (0, 1), "hyperstyle")
    assert len(both) == 2
    for at in (1, -1):
        one = both[at]
        assert (len(one), one.steps) == (1, (1,))
        assert one.w.equal(w[1:])
        assert one.offsets["b4.conv1"].equal(offsets[1:])
