from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError, DatasetError
from studies.gaze.gaze_data import ReadingOptions, read_gaze
from studies.gaze.gaze_study import GazeOptions, GazeResults, analyse_gaze, write_results
from studies.gaze.simulated_gaze import GazeEffects, simulate_gaze, write_tobii
from tests.studies.gaze.example_study import SIDE, make_study

KEY, AREAS = make_study()
EFFECTS = GazeEffects(effect=1.0, seconds=2, rate_hz=60, lost=0.0)


@pytest.fixture(scope="module")
def gaze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gaze") / "gaze.tsv"
    write_tobii(path, simulate_gaze(KEY, AREAS, 10, SIDE, seed=3, effects=EFFECTS))
    return path


@pytest.fixture(scope="module")
def results(gaze: Path) -> GazeResults:
    return analyse_gaze([gaze], KEY, AREAS, GazeOptions(picture_side=SIDE, seed=1))


def test_a_known_effect_is_found(results: GazeResults) -> None:
    [mouth] = [row for row in results.differences if (row.area, row.condition, row.measure) == ("mouth", "", "share")]
    assert (mouth.participants, mouth.faces) == (10, 8)
    assert mouth.low > 0
    assert max(mouth.p, mouth.p_crossed) < 0.05
    assert mouth.adjusted
    [cluster, *_] = results.clusters[""].clusters
    assert cluster.sign == 1
    assert cluster.p < 0.05
    assert 42 < cluster.row < 53
    assert results.problems == ()
    assert not any(results.excluded.values())


def test_results_are_written_without_anything_of_a_person(results: GazeResults, tmp_path: Path) -> None:
    write_results(tmp_path, results)
    text = (tmp_path / "gaze.json").read_text()
    assert "G001" not in text
    assert json.loads(text)["participants"] == 10
    with np.load(tmp_path / "maps.npz") as maps:
        assert maps["edited/"].sum() == pytest.approx(1, rel=1e-4)
        assert {"difference/", "clusters/", "edited/WS", "reconstructed/other"} <= {*maps.files}
    with (tmp_path / "views.csv").open() as file:
        assert len(list(csv.reader(file))) == 1 + 10 * 8 * 3


def test_the_same_seed_gives_the_same_results(results: GazeResults, gaze: Path) -> None:
    again = analyse_gaze([gaze], KEY, AREAS, GazeOptions(picture_side=SIDE, seed=1))
    assert again.to_json() == results.to_json()


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    samples = simulate_gaze(KEY, AREAS, 4, SIDE, seed=3, effects=EFFECTS)
    first = samples.participant == 0
    image = np.where(first & (samples.image == 0), len(KEY) - 1, samples.image)  # of version B, to one who sees A
    x = np.where(
        (samples.participant == 1) & (samples.image == samples.image[samples.participant == 1][0]), np.nan, samples.x
    )
    write_tobii(tmp_path / "gaze.tsv", replace(samples, image=image, x=x))
    write_tobii(tmp_path / "again.tsv", simulate_gaze(KEY, AREAS, 2, SIDE, seed=4, effects=EFFECTS))
    key = {code: entry for code, entry in KEY.items() if code != "B_00000003"}
    results = analyse_gaze([tmp_path / "gaze.tsv", tmp_path / "again.tsv"], key, AREAS, GazeOptions())
    reasons = dict(results.excluded)
    assert reasons.pop("image that is not in the key") == 3  # two in the first file, one in the second
    assert reasons.pop("participant who saw both versions") == 16
    assert reasons.pop("second recording of the participant") == 7
    assert list(reasons.values()) == [1]
    assert results.participants == 3
    assert len(results.problems) >= 3
    assert results.maps == {}


def test_measures_count_once(tmp_path: Path) -> None:
    header = (
        "Recording\tParticipant\tMedia\tAOI\tTotal duration of fixations\tNumber of fixations\tTime to first fixation\n"
    )
    lines = [f"R{person}\tP{person}\tA_00000000\tmouth\t{100 * person}\t1\t5\n" for person in range(3)]
    for name in ("first.tsv", "again.tsv"):
        (tmp_path / name).write_text(header + "".join(lines))
    with pytest.raises(DatasetError):
        read_gaze([tmp_path / "first.tsv"] * 2, KEY, (), ReadingOptions())
    data = read_gaze([tmp_path / "first.tsv", tmp_path / "again.tsv"], KEY, (), ReadingOptions())
    assert [view.dwell_ms for view in data.views] == [0, 100, 200]
    assert sum(data.excluded.values()) == 3
    (tmp_path / "first.tsv").write_text(header + "".join(lines).replace("P0", "someone@example.org"))
    data = read_gaze([tmp_path / "first.tsv"], KEY, (), ReadingOptions())
    assert {view.participant for view in data.views} == {"P1", "P2"}


def test_gaze_on_other_pictures_is_refused(gaze: Path) -> None:
    with pytest.raises(DatasetError):
        analyse_gaze([gaze], {"C_1": KEY["A_00000000"]}, AREAS, GazeOptions())


def test_an_unknown_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError):
        analyse_gaze([tmp_path / "table.csv"], KEY, AREAS, GazeOptions(reading=ReadingOptions()))


def test_saliency_is_compared_with_heat_maps(results: GazeResults, gaze: Path) -> None:
    generator = np.random.default_rng(0)
    saliency = {code: generator.random((32, 32), dtype=np.float32) for code in KEY}
    compared = analyse_gaze([gaze], KEY, AREAS, GazeOptions(picture_side=SIDE), saliency)
    assert [row.measure for row in compared.similarities] == ["IoU", "IoU", "IoU", "symmetric KL"]
    with pytest.raises(DatasetError):
        analyse_gaze([gaze], KEY, AREAS, GazeOptions(), saliency)


def test_a_simulation_needs_areas_and_people() -> None:
    with pytest.raises(ConfigError):
        simulate_gaze(KEY, AREAS[:3], 2, SIDE, seed=0)
    with pytest.raises(ConfigError):
        simulate_gaze(KEY, AREAS, 0, SIDE, seed=0)
    with pytest.raises(ConfigError):
        simulate_gaze(KEY, AREAS, 2, SIDE, seed=0, effects=GazeEffects(area="chin"))
