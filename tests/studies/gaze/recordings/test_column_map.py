from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.errors import DatasetError
from studies.gaze.fixations import Fixations
from studies.gaze.recordings.column_map import ColumnMap, read_column_map, read_mapped
from studies.gaze.recordings.samples import GazeSamples, PicturePlace

EYELINK = ColumnMap(
    participant="RECORDING_SESSION_LABEL", image="image", time="CURRENT_FIX_START", x="CURRENT_FIX_X",
    y="CURRENT_FIX_Y", time_unit="ms", duration="CURRENT_FIX_DURATION", place=PicturePlace(100, 50, 200, 200, 100, 100),
)  # fmt: skip


def test_a_fixation_report_of_eyelink_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fixations.txt"
    header = "RECORDING_SESSION_LABEL\timage\tCURRENT_FIX_START\tCURRENT_FIX_DURATION\tCURRENT_FIX_X\tCURRENT_FIX_Y"
    path.write_text(
        f"{header}\nS1\tA_1.png\t10\t200\t200\t150\nS1\tA_1.png\t250\t100\t220\t150\nS1\tA_2.png\t5\t90\t200\t150\n"
    )
    fixations = read_mapped(path, EYELINK)
    assert isinstance(fixations, Fixations)
    assert fixations.view.tolist() == [0, 0, 1]
    assert fixations.x.tolist() == [50, 60, 50]
    path.write_text(f"{header}\nS1\tA_1.png\t10\t0\t200\t150\n")
    with pytest.raises(DatasetError):
        read_mapped(path, EYELINK)


def test_psychopy_counts_from_the_centre_and_upwards(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("participant,image,t,gx,gy\nP1,A_1.png,0.1,-100,100\nP1,A_1.png,0.2,0,0\n")
    place = PicturePlace(0, 0, 200, 200, 100, 100)
    samples = read_mapped(path, ColumnMap("participant", "image", "t", "gx", "gy", "s", place=place, origin="centre"))
    assert isinstance(samples, GazeSamples)
    assert list(zip(samples.x, samples.y, strict=True)) == [(0, 0), (50, 50)]
    assert samples.time_ms.tolist() == pytest.approx([100, 200])
    assert samples.fixation is None


def test_a_map_is_read_from_json(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    entries = {"participant": "p", "image": "i", "time": "t", "x": "x", "y": "y", "time_unit": "ms"}
    path.write_text(json.dumps(entries))
    assert read_column_map(path) == ColumnMap("p", "i", "t", "x", "y", "ms")
    wrong = [
        {**entries, "time_unit": "ticks"},
        {**entries, "z": "z"},
        {"participant": "p"},
        {**entries, "place": {"left": 1}},
    ]
    for each in [*wrong, {**entries, "x": 3}, {**entries, "origin": "centre"}, []]:
        path.write_text(json.dumps(each))
        with pytest.raises(DatasetError):
            read_column_map(path)


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    path.write_text("participant,image,t,gx\nP1,A_1.png,0.1,1\n")
    with pytest.raises(DatasetError, match="gy"):
        read_mapped(path, ColumnMap("participant", "image", "t", "gx", "gy", "s"))
