from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faces.phantoms.regions import REGIONS
from recognition.explanation.regions.masks import OUTSIDE
from recognition.explanation.saliency.methods import METHODS
from recognition.explanation.truth.measurement import MAPS, TruthMeasurement
from recognition.explanation.truth.phantom_faces import MASKED
from recognition.explanation.truth.restoration import PARTS
from recognition.explanation.truth.truth_table import (
    find_planted,
    format_conditions,
    format_methods,
    measure_conditions,
    measure_methods,
)

FACES = 6


@pytest.fixture
def measured() -> TruthMeasurement:
    """Six faces whose logit depends on regions in their order; gradcam says so, and occlusion the opposite."""
    moves = np.tile(np.arange(1.0, len(PARTS) + 1), (FACES, 1))
    areas = np.tile(np.linspace(50, 10, len(MASKED)), (FACES, 1))
    relevance = np.full((FACES, len(MAPS), len(MASKED)), np.nan)
    order = np.arange(1.0, len(MASKED) + 1)
    relevance[:, MAPS.index("gradcam")] = order * areas
    relevance[:, MAPS.index("occlusion")] = order[::-1] * areas
    return TruthMeasurement(
        conditions=np.array(["WS", "Kabuki"] * 3),
        persons=np.arange(FACES),
        moves=moves,
        margins=moves,
        total=moves.sum(axis=1),
        total_margin=moves.sum(axis=1),
        changes=moves,
        areas=areas,
        relevance=relevance,
        peaks=np.full((FACES, len(MAPS)), MASKED.index(OUTSIDE)),
        similarity=np.full((FACES, len(METHODS)), np.nan),
        seconds=np.full((FACES, len(METHODS)), 0.5),
        correct=np.ones(FACES),
    )


def test_methods_are_told_apart(measured: TruthMeasurement) -> None:
    right, wrong = measure_methods(measured)
    assert (right.method, wrong.method) == ("gradcam", "occlusion")
    assert right.correlation.value == pytest.approx(1)
    assert wrong.correlation.value == pytest.approx(-1)
    assert (right.hits.value, wrong.hits.value) == (1, 0)
    assert right.similarity is None
    assert format_methods([wrong, right]).splitlines()[2].startswith("| gradcam | 1.00 ")


def test_faces_that_do_not_depend_on_the_condition_do_not_count(measured: TruthMeasurement) -> None:
    total = measured.total.copy()
    total[0] = 0.1
    rows = measure_conditions(replace(measured, total=total))
    assert [row.counted for row in rows] == [2, 3]
    assert measure_methods(replace(measured, total=np.zeros(FACES))) == []


def test_causal_shares_sum_to_one_where_parts_add_up(measured: TruthMeasurement) -> None:
    first = measure_conditions(measured)[0]
    assert sum(first.shares.values()) == pytest.approx(1)
    assert first.shares["brows"] > first.shares["hair"]
    assert format_conditions([first]).count("|") == 3 * (len(REGIONS) + 7)


def test_a_region_that_cannot_be_seen_takes_no_part(measured: TruthMeasurement) -> None:
    areas, relevance = measured.areas.copy(), measured.relevance.copy()
    areas[:, MASKED.index("brows")] = 0
    relevance[:, MAPS.index("gradcam"), MASKED.index("brows")] = 0
    rows = measure_methods(replace(measured, areas=areas, relevance=relevance))
    assert [row.hits.value for row in rows] == [1, 0]


def test_a_planted_confounder_is_found_where_its_region_comes_first(measured: TruthMeasurement) -> None:
    assert find_planted(measured, OUTSIDE) == {"gradcam": (1, 1), "occlusion": (0, 1)}
