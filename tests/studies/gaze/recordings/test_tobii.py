from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import DatasetError
from studies.gaze.recordings.samples import PicturePlace
from studies.gaze.recordings.tobii import read_tobii
from studies.gaze.simulated_gaze import simulate_gaze, write_tobii
from tests.studies.gaze.example_study import SIDE, make_study

HEADER = (
    "Recording timestamp{unit}\tSensor\tParticipant name\tRecording name\tPresented Stimulus name\t"
    "Gaze point X{space}\tGaze point Y{space}\tEye movement type\tEye movement type index"
)
LINES = (
    "1000\tEye Tracker\tP1\tR1\tA_1.png\t10\t20\tFixation\t1",
    "17667\tEye Tracker\tP1\tR1\tA_1.png\t12\t22\tFixation\t1",
    "20000\tMouse\tP1\tR1\tA_1.png\t\t\t\t",
    "34333\tEye Tracker\tP1\tR1\tA_1.png\t\t\tEyesNotFound\t1",
    "51000\tEye Tracker\tP1\tR1\t\t5\t5\tSaccade\t2",
)


def write(
    path: Path, unit: str = " [μs]", space: str = " [MCS px]", lines: tuple[str, ...] = LINES, **more: str
) -> Path:
    text = "\n".join([HEADER.format(unit=unit, space=space), *lines])
    path.write_text(text + "\n", **more)
    return path


def test_samples_on_a_stimulus_are_read_in_milliseconds(tmp_path: Path) -> None:
    samples = read_tobii(write(tmp_path / "gaze.tsv"))
    assert samples.images[int(samples.image[0])] == "A_1"
    assert samples.time_ms.tolist() == pytest.approx([1, 17.667, 34.333])
    assert samples.x[:2].tolist() == [10, 12]
    assert np.isnan(samples.x[2])
    assert samples.fixation is not None
    assert samples.fixation.tolist() == [1, 1, -1]


@pytest.mark.parametrize(("unit", "factor"), [(" [ms]", 1), (" [us]", 0.001), ("(ms)", None)])
def test_the_unit_of_the_header_decides(tmp_path: Path, unit: str, factor: float | None) -> None:
    path = write(tmp_path / "gaze.tsv", unit)
    if factor is None:
        with pytest.raises(DatasetError):
            read_tobii(path)
    else:
        assert read_tobii(path).time_ms[0] == pytest.approx(1000 * factor)


def test_time_stamps_without_a_unit_are_refused_until_it_is_stated(tmp_path: Path) -> None:
    path = write(tmp_path / "gaze.tsv", unit="")
    with pytest.raises(DatasetError):
        read_tobii(path)
    assert read_tobii(path, time_unit="us").time_ms[0] == pytest.approx(1)
    with pytest.raises(DatasetError):
        read_tobii(write(tmp_path / "other.tsv"), time_unit="ms")


def test_utf16_and_older_names_are_read(tmp_path: Path) -> None:
    assert read_tobii(write(tmp_path / "gaze.tsv", space=" (MCSpx)", encoding="utf-16")).x[0] == 10


def test_points_on_the_screen_need_the_place_of_the_picture(tmp_path: Path) -> None:
    path = write(tmp_path / "gaze.tsv", space=" [DACS px]")
    with pytest.raises(DatasetError):
        read_tobii(path)
    samples = read_tobii(path, place=PicturePlace(10, 10, 512, 512, 256, 256))
    assert (samples.x[1], samples.y[1]) == (1, 6)


def test_the_columns_of_the_media_place_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "gaze.tsv"
    names = "Position X (left) [DACS px]", "Position Y (top) [DACS px]", "width [px]", "height [px]"
    media = "\t".join(
        [*(f"Presented Media {n[0].lower()}{n[1:]}" for n in names), *(f"Original Media {n}" for n in names[2:])]
    )
    lines = [HEADER.format(unit=" [ms]", space=" [DACS px]") + f"\t{media}", LINES[1] + "\t10\t10\t512\t512\t256\t256"]
    path.write_text("\n".join(lines))
    samples = read_tobii(path)
    assert (samples.x[0], samples.y[0]) == (1, 6)


@pytest.mark.parametrize(
    "lines",
    [
        (*LINES, "60000\tEye Tracker\tP1"),
        (*LINES, "900\tEye Tracker\tP1\tR1\tA_1.png\t1\t1\tFixation\t9"),
        ("1000\tEye Tracker\tP1\tR1\tA_1.png\t10,5\t20\tFixation\t1",),
        ("1000\tEye Tracker\tP1\tR1\tA_1.png\tinf\t20\tFixation\t1",),
        ("\tEye Tracker\tP1\tR1\tA_1.png\t10\t20\tFixation\t1",),
        ("1000\tEye Tracker\t\tR1\tA_1.png\t10\t20\tFixation\t1",),
        LINES[2:3],
        (),
    ],
    ids=["cut off", "time goes back", "decimal comma", "infinite", "no time", "no participant", "no gaze", "empty"],
)
def test_broken_exports_are_refused(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(DatasetError):
        read_tobii(write(tmp_path / "gaze.tsv", lines=lines))


def test_a_simulated_recording_is_read_back(tmp_path: Path) -> None:
    key, areas = make_study(2)
    samples = simulate_gaze(key, areas, participants=2, picture_side=SIDE, seed=1)
    write_tobii(tmp_path / "gaze.tsv", samples)
    again = read_tobii(tmp_path / "gaze.tsv")
    assert again.participants == samples.participants
    assert np.array_equal(again.fixation, samples.fixation)
    assert np.allclose(again.x, samples.x, atol=0.051, equal_nan=True)
    assert np.allclose(again.time_ms, samples.time_ms, atol=0.001)
