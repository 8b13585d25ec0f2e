"""Files of eye trackers: gaze and metrics of Tobii Pro Lab, tables with a column map, and areas of interest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given

from studies.gaze.areas import read_areas
from studies.gaze.gaze_data import ReadingOptions, read_gaze
from studies.gaze.recordings.column_map import ColumnMap, read_column_map
from tests.fuzzing.bounds import altered, damaged, refused_or_read
from tests.studies.gaze.example_study import make_study

KEY, AREAS = make_study(2)
IMAGES: Final = list(KEY)
TOBII: Final = (
    "Recording timestamp [ms]\tSensor\tParticipant name\tRecording name\tPresented Stimulus name\t"
    "Gaze point X [MCS px]\tGaze point Y [MCS px]\tEye movement type\tEye movement type index\n"
    + "".join(f"{8 * at}\tEye Tracker\tP1\tR1\t{IMAGES[at // 4]}\t{at}\t9\tFixation\t{at // 2}\n" for at in range(8))
)
METRICS: Final = (
    "Recording\tParticipant\tMedia\tAOI\tTotal_duration_of_fixations\tNumber_of_fixations\tTime_to_first_fixation\n"
    f"R1\tP1\t{IMAGES[0]}\tMouth\t812\t3\t640\nR1\tP1\t{IMAGES[0]}\tNose\t0\t0\t\n"
)
MAPPED: Final = f"participant\timage\tt\tx\ty\tlength\nP1\t{IMAGES[0]}\t1\t2\t3\t40\nP1\t{IMAGES[1]}\t1\t2\t3\t40\n"
MAP: Final = ColumnMap("participant", "image", "t", "x", "y", "ms", duration="length")
PIECES: Final = [
    b"nan",
    b"1e999",
    b"-1",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff\xfe",
    b'"',
    b"[us]",
    b"Fixation",
    b"1e18",
    b"1e300",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gaze")


@given(data=damaged([TOBII.encode(), METRICS.encode(), TOBII.encode("utf-16")], PIECES))
def test_damaged_exports_are_refused_or_read(folder: Path, data: bytes) -> None:
    (folder / "gaze.tsv").write_bytes(data)
    with refused_or_read():
        read_gaze([folder / "gaze.tsv"], KEY, AREAS, ReadingOptions())


@given(data=damaged([MAPPED.encode()], PIECES))
def test_damaged_tables_are_refused_or_read(folder: Path, data: bytes) -> None:
    (folder / "gaze.tsv").write_bytes(data)
    with refused_or_read():
        read_gaze([folder / "gaze.tsv"], KEY, AREAS, ReadingOptions(column_map=MAP))


@given(data=damaged([b"image,area,left,top,right,bottom,width,height\nA_1,nose,1,2,3,4,64,64\n"], PIECES))
def test_damaged_areas_are_refused_or_read(folder: Path, data: bytes) -> None:
    (folder / "areas.csv").write_bytes(data)
    with refused_or_read():
        read_areas(folder / "areas.csv")


@given(
    document=altered(
        {"participant": "p", "image": "i", "time": "t", "x": "x", "y": "y", "time_unit": "ms", "place": {"left": 0}}
    )
)
def test_maps_of_any_form(folder: Path, document: object) -> None:
    (folder / "map.json").write_text(json.dumps(document))
    with refused_or_read():
        read_column_map(folder / "map.json")
