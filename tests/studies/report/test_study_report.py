from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from core.errors import ConfigError, DatasetError
from core.json_text import to_json_text
from gestaltgen.cli.main import app
from studies.analysis.study_analysis import analyse_answers
from studies.gaze.gaze_study import GazeOptions, analyse_gaze, write_results
from studies.gaze.simulated_gaze import GazeEffects, simulate_gaze, write_tobii
from studies.plan.simulate import Effects, simulate_answers
from studies.plan.study_design import DUONG_WS, PATEL
from studies.report.number_formats import format_p
from studies.report.study_report import write_report
from tests.core.formats.hostile_arrays import write_guessed_archive
from tests.studies.gaze.example_study import SIDE, make_study


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("answers") / "results.json"
    path.write_text(to_json_text(analyse_answers(simulate_answers(PATEL, Effects({"edited": -1.0}), seed=5)).to_json()))
    return path


@pytest.fixture(scope="module")
def gaze(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gaze")
    key, areas = make_study(4)
    write_tobii(folder / "gaze.tsv", simulate_gaze(key, areas, 4, SIDE, 3, GazeEffects(seconds=1, rate_hz=60)))
    saliency = {
        code: np.random.default_rng(number).random((16, 16), dtype=np.float32) for number, code in enumerate(key)
    }
    write_results(folder, analyse_gaze([folder / "gaze.tsv"], key, areas, GazeOptions(picture_side=SIDE), saliency))
    return folder


class Headings(HTMLParser):
    """Headings of a page, and the number of its images."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.images = 0
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "h2"
        self.images += tag == "img"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.titles.append(data)
            self._inside = False


def test_a_report_has_tables_plots_and_methods(answers: Path, gaze: Path, tmp_path: Path) -> None:
    write_report(tmp_path, answers, gaze)
    page = (tmp_path / "report.html").read_text()
    headings = Headings(page)
    assert headings.titles[0] == "Accuracy"
    assert headings.titles[-1] == "Methods"
    assert "Eye tracking" in headings.titles
    assert headings.images == len(list(tmp_path.glob("*.png"))) == 8
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["answers"]["variant_tests"] == json.loads(answers.read_text())["variant_tests"]
    assert report["gaze"] == json.loads((gaze / "gaze.json").read_text())
    for text in report["methods"].values():
        assert "seed" in text
        assert "numpy" in text
    text = re.sub(r"base64,[^\"]*", "", page) + json.dumps(report)  # a picture may have these letters by chance
    assert len(text) > 1000
    for person in ("P001", "G001"):
        assert person not in text


def test_participants_and_classifier_are_reported(tmp_path: Path) -> None:
    given = simulate_answers(DUONG_WS, Effects(), seed=1)
    even = {answer.image: dict.fromkeys(answer.options, 0.5) for answer in given}
    (tmp_path / "results.json").write_text(to_json_text(analyse_answers(given, even).to_json()))
    result = CliRunner().invoke(
        app, ["study", "report", str(tmp_path / "results.json"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "human-and-model.png").exists()
    assert (tmp_path / "out" / "report.html").exists()


def test_groups_of_one_or_two_participants_are_not_shown(tmp_path: Path) -> None:
    given = [
        one
        for one in simulate_answers(PATEL.with_participants(8), Effects(), seed=1)
        if one.condition != "WS" or one.participant == "P001" or (one.participant, one.variant) == ("P002", "edited")
    ]
    (tmp_path / "results.json").write_text(to_json_text(analyse_answers(given).to_json()))
    write_report(tmp_path / "out", tmp_path / "results.json", None)
    shown = json.loads((tmp_path / "out" / "report.json").read_text())["answers"]
    assert all(row["participants"] >= 3 for row in shown["accuracies"])
    assert all("WS" not in row["conditions"] for row in shown["confusions"])
    assert "condition WS, variant edited" in (tmp_path / "out" / "report.html").read_text()


def test_an_unknown_p_is_nothing() -> None:
    assert [format_p(p) for p in (None, float("nan"), 0.00001, 0.0123)] == ["", "", "< 0.0001", "0.0123"]


def test_broken_maps_are_refused(gaze: Path, tmp_path: Path) -> None:
    (tmp_path / "gaze.json").write_bytes((gaze / "gaze.json").read_bytes())
    for data in (b"", b"PK\3\4"):
        (tmp_path / "maps.npz").write_bytes(data)
        with pytest.raises(DatasetError):
            write_report(tmp_path / "out", None, tmp_path)
    write_guessed_archive(tmp_path / "maps.npz", "difference/WS")
    with pytest.raises(DatasetError, match=r"maps\.npz holds no arrays"):
        write_report(tmp_path / "out", None, tmp_path)


def test_what_is_no_result_is_refused(answers: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        write_report(tmp_path / "out", None, None)
    with pytest.raises(DatasetError):
        write_report(tmp_path / "out", None, tmp_path)
    named = json.loads(answers.read_text()) | {"extra": [{"participant": "P001"}]}
    for text in ("[]", "{}", "x", json.dumps(named)):
        (tmp_path / "results.json").write_text(text)
        with pytest.raises(DatasetError):
            write_report(tmp_path / "out", tmp_path / "results.json", None)
    assert not (tmp_path / "out").exists()


def test_a_report_states_what_was_left_out(answers: Path, tmp_path: Path) -> None:
    counts = tmp_path / "answers.json"
    left_out = [{"reason": "too fast", "sessions": 2, "answers": 64}]
    counts.write_text(
        json.dumps(
            {
                "files": {"qualtrics": 1},
                "read": {"sessions": 58, "answers": 1856},
                "kept": {"participants": 56, "answers": 1792},
                "left_out": left_out,
                "rules": {},
            }
        )
    )
    write_report(tmp_path / "report", answers, None, counts)
    assert "left out: too fast" in (tmp_path / "report" / "report.html").read_text()
    assert json.loads((tmp_path / "report" / "report.json").read_text())["imported"]["left_out"] == left_out
