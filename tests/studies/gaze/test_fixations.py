from __future__ import annotations

import numpy as np
import pytest

from core.errors import DatasetError
from studies.gaze.areas import InterestArea
from studies.gaze.dwell_times import measure_areas
from studies.gaze.fixations import collect_fixations, find_first_views, join_fixations
from studies.gaze.recordings.delimited_files import Floats, Ints
from studies.gaze.recordings.samples import GazeSamples


def make_samples(x: Floats, fixation: Ints | None, person: str = "P1", recording: Ints | None = None) -> GazeSamples:
    count = len(x)
    zeros = np.zeros(count, dtype=np.int64)
    recording = zeros if recording is None else recording
    return GazeSamples(
        (person,),
        ("R1", "R2"),
        ("A_1",),
        zeros,
        recording,
        zeros,
        np.arange(count) * 10.0,
        x,
        np.full(count, 5.0),
        fixation,
    )


def test_a_fixation_lasts_over_lost_samples_and_ends_with_its_last_sample() -> None:
    x = np.array([1.0, 3, np.nan, 5, 50, 80, 82])
    fixations = collect_fixations(make_samples(x, np.array([7, 7, -1, 7, -1, 8, 8])))
    assert fixations.start_ms.tolist() == [0, 50]
    assert fixations.duration_ms.tolist() == [40, 20]
    assert fixations.x.tolist() == [3, 81]
    assert fixations.tracked.tolist() == pytest.approx([6 / 7])
    assert fixations.view_ms.tolist() == [70]


def test_velocity_finds_fixations_where_the_file_has_none() -> None:
    x = np.concatenate([np.full(20, 10.0), np.full(20, 90.0), [10, 90, 10, 90]])
    with pytest.raises(DatasetError):
        collect_fixations(make_samples(x, None))
    fixations = collect_fixations(make_samples(x, None), pixels_per_degree=20)
    assert fixations.x.tolist() == [10, 90]
    assert fixations.duration_ms.tolist() == [190, 190]


def test_views_of_a_second_recording_are_found() -> None:
    x, number = np.full(4, 1.0), np.array([1, 1, 1, 1])
    both = collect_fixations(make_samples(x, number, recording=np.array([0, 0, 1, 1])))
    assert find_first_views(both).tolist() == [True, False]
    other = collect_fixations(make_samples(x, number, "P2"))
    joined = join_fixations([both, other, both])
    assert joined.participants == ("P1", "P2")
    assert find_first_views(joined).tolist() == [True, False, True, False, False]
    kept = joined.select_views(find_first_views(joined))
    assert kept.view.tolist() == [0, 1]
    assert [kept.participants[person] for person in kept.view_participant] == ["P1", "P2"]


def test_an_area_is_measured_with_its_edges() -> None:
    fixations = collect_fixations(make_samples(np.array([1.0, 20, 20, 30]), np.array([1, 2, 2, 3])))
    [inside, empty] = measure_areas(
        fixations, [InterestArea("A_1", "mouth", 20, 5, 29.5, 6), InterestArea("A_1", "nose", 40, 0, 50, 9)]
    )
    assert (inside.dwell_ms, inside.fixations, inside.first_ms, inside.share) == (30, 2, 10, 0.75)
    assert (empty.dwell_ms, empty.fixations, empty.first_ms, empty.share) == (0, 0, None, 0)
