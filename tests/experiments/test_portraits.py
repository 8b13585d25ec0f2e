from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from experiments.portraits.judged import describe_ages
from faces.labels import AGE_GROUPS


def test_ages_in_order_are_counted_and_faces_that_are_not_found_leave_their_person_out() -> None:
    middle = [1.0, 5.0, 15.0, 30.0, 60.0]
    swapped = [5.0, 1.0, 15.0, 30.0, 60.0]
    backwards = middle[::-1]
    unseen = [1.0, np.nan, 15.0, 30.0, 60.0]
    line = describe_ages("published", np.array([middle, swapped, backwards, unseen]), AGE_GROUPS)
    assert (line.asked, line.people) == (4, 3)
    assert line.rank_correlation == pytest.approx((1 + 0.9 - 1) / 3, abs=1e-3)
    assert line.in_order == pytest.approx(2 / 3, abs=1e-3)
    assert line.read_as_group == pytest.approx((5 + 3 + 1 + 4) / 20)
