from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DatasetError
from studies.gaze.recordings.tobii_metrics import is_metrics, read_tobii_metrics

HEADER = (
    "Recording,Participant,TOI,Interval,Media,AOI,"
    "Total_duration_of_fixations,Number_of_fixations,Time_to_first_fixation"
)
LINES = (
    "P1_1,P1,Slide_2,1,Slide_2,Mouth,812,3,640",
    "P1_1,P1,Slide_2,1,Slide_2,Nose,1530,5,210",
    "P2_1,P2,Slide_2,1,Slide_2,Mouth,0,0,",
)


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]).replace(",", "\t") + "\n")
    return path


@pytest.mark.parametrize("separator", ["_", " "])
def test_metrics_are_read_under_both_spellings(tmp_path: Path, separator: str) -> None:
    header = HEADER.replace("_", separator)
    assert is_metrics(tuple(header.split(",")))
    views, left_out = read_tobii_metrics(write(tmp_path / "metrics.tsv", *LINES, header=header))
    assert (views[0].participant, views[0].image, views[0].area) == ("P1", "Slide_2", "mouth")
    assert [(view.dwell_ms, view.fixations, view.first_ms) for view in views] == [
        (812, 3, 640),
        (1530, 5, 210),
        (0, 0, None),
    ]
    assert left_out == 0


def test_a_repeated_column_must_agree(tmp_path: Path) -> None:
    header = f"{HEADER},Total_duration_of_fixations"
    assert len(read_tobii_metrics(write(tmp_path / "a.tsv", f"{LINES[0]},812", header=header))[0]) == 1
    with pytest.raises(DatasetError):
        read_tobii_metrics(write(tmp_path / "b.tsv", f"{LINES[0]},813", header=header))


def test_a_second_recording_is_counted_and_left_out(tmp_path: Path) -> None:
    views, left_out = read_tobii_metrics(write(tmp_path / "a.tsv", *LINES, LINES[0].replace("P1_1", "P1_2")))
    assert (len(views), left_out) == (3, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        "P1_1,P1,S,1,S,Mouth,-1,3,6",
        "P1_1,P1,S,1,S,Mouth,1,1.5,6",
        "P1_1,P1,S,1,S,Mouth,,1,6",
        "P1_1,,S,1,S,Mouth,1,1,6",
        LINES[0],
    ],
)
def test_broken_metrics_are_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(DatasetError):
        read_tobii_metrics(write(tmp_path / "metrics.tsv", *LINES, wrong))
