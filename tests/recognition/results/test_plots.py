"""Plots of names that somebody else chose."""

from __future__ import annotations

import numpy as np

from recognition.results.plots import plot_confusions


def test_a_name_with_dollar_signs_is_no_formula() -> None:
    names = [r"a$\frac{b$", "WS"]
    assert plot_confusions({names[0]: np.eye(2, dtype=np.int64)}, names).startswith(b"\x89PNG")
