"""The report's files say what was measured, need no other file, and are the same for the same input."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import ConfigError, DatasetError
from recognition.predictions import Predictions
from recognition.results.report import FILES, NOTICE, ClassifierReport, write_report
from recognition.statistics import Sampling

CLASSES = ("WS", "22q11DS", "unaffected")
AGES = ("infant", "child", "older_adult")
QUICK = Sampling(resamples=200, permutations=200)


def run(strength: float, seed: int = 0, n: int = 60, undecided: bool = False) -> Predictions:
    """Two images a person; conditions and ages in turn."""
    generator = np.random.default_rng(seed)
    truths = np.arange(n) // 2 % 3
    scores = generator.normal(size=(n, 3))
    scores[np.arange(n), truths] += strength
    probabilities = np.exp(scores)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Predictions(
        CLASSES,
        keys=tuple(f"{index:064x}" for index in range(n)),
        persons=tuple(f"p{index // 2}" for index in range(n)),
        truths=truths.astype(np.int64),
        age_groups=tuple(AGES[index // 6 % 3] for index in range(n)),
        probabilities=probabilities,
        undecided=probabilities.max(axis=1) < (0.5 if undecided else 0.0),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClassifierReport]:
    out = tmp_path_factory.mktemp("report") / "deep" / "folder"
    runs = {"real": run(1.0), "+ <blended> & more": run(2.5, seed=1, undecided=True)}
    return out, write_report(
        runs, out, baseline="real", sampling=QUICK, about={"test set": "faces.zip", "seeds": [0, 1]}
    )


def rows(out: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((out / name).read_text())))


def test_all_files_are_there_and_no_other(written: tuple[Path, ClassifierReport]) -> None:
    assert {path.name for path in written[0].iterdir()} == set(FILES)


def test_accuracy_table(written: tuple[Path, ClassifierReport]) -> None:
    out, found = written
    table = rows(out, "accuracy.csv")
    of_real = [row for row in table if row["run"] == "real"]
    assert len(table) == 2 * len(of_real)
    assert len(of_real) == 1 + 1 + 3 + 3 + 9
    first = of_real[0]
    assert (first["condition"], first["age_group"], first["images"], first["persons"]) == ("all", "all", "60", "30")
    assert float(first["accuracy"]) == pytest.approx(run(1.0).correct.mean(), abs=1e-5)
    assert of_real[1]["condition"] == "mean of conditions"
    cells = [row for row in of_real if row["condition"] in CLASSES and row["age_group"] != "all"]
    assert sum(int(row["images"]) for row in cells) == 60
    assert sum(int(row["correct"]) for row in cells) == int(first["correct"])
    ages = [row["age_group"] for row in of_real if row["condition"] == "all"][1:]
    assert ages == ["infant", "child", "older_adult"]
    assert found.accuracies["real"][0].correct == int(first["correct"])


def test_confusion_table_holds_every_image(written: tuple[Path, ClassifierReport]) -> None:
    table = rows(written[0], "confusion.csv")
    assert sum(int(row["images"]) for row in table) == 2 * 60
    undecided = [row for row in table if row["said"] == "undecided" and row["run"] != "real"]
    expected = run(2.5, seed=1, undecided=True).undecided.sum()
    assert sum(int(row["images"]) for row in undecided) == expected > 0


def test_calibration_table_has_bins_and_a_line_for_all(written: tuple[Path, ClassifierReport]) -> None:
    out, found = written
    table = [row for row in rows(out, "calibration.csv") if row["run"] == "real"]
    assert len(table) == 11
    assert table[0]["images"] == "60"
    assert float(table[0]["accuracy"]) == pytest.approx(run(1.0).correct.mean(), abs=1e-5)
    assert float(table[0]["confidence"]) == pytest.approx(run(1.0).probabilities.max(axis=1).mean(), abs=1e-5)
    assert float(table[0]["calibration_error"]) == pytest.approx(found.calibrations["real"].error, rel=1e-5)
    assert table[1]["confidence"] == ""


def test_comparison_table(written: tuple[Path, ClassifierReport]) -> None:
    table = rows(written[0], "comparisons.csv")
    assert [row["condition"] for row in table] == ["all", *CLASSES]
    assert {row["baseline"] for row in table} == {"real"}
    for row in table:
        assert float(row["difference"]) == pytest.approx(
            float(row["accuracy"]) - float(row["baseline_accuracy"]), abs=1e-5
        )
        assert float(row["low"]) <= float(row["difference"]) <= float(row["high"])
        assert float(row["mcnemar_p"]) <= float(row["mcnemar_p_holm"]) <= 1


def test_json_is_strict_and_whole(written: tuple[Path, ClassifierReport]) -> None:
    text = (written[0] / "report.json").read_text()
    assert "NaN" not in text
    value = json.loads(text)
    assert value["notice"] == NOTICE
    assert value["sampling"] == {"resamples": 200, "permutations": 200, "level": 0.95, "seed": 0}
    assert value["about"] == {"test set": "faces.zip", "seeds": [0, 1]}
    assert set(value["runs"]) == {"real", "+ <blended> & more"}
    assert value["runs"]["real"]["comparisons"] == []
    assert len(value["runs"]["+ <blended> & more"]["comparisons"]) == 4


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_nothing_else(written: tuple[Path, ClassifierReport]) -> None:
    text = (written[0] / "report.html").read_text()
    tags = Tags()
    tags.feed(text)
    assert not {"script", "link", "iframe", "blended"} & {tag for tag, _ in tags.found}
    assert not re.search(r"https?://", text)
    pictures = [attributes["src"] or "" for tag, attributes in tags.found if tag == "img"]
    assert len(pictures) == 5
    for picture in pictures:
        head, _, data = picture.partition(",")
        assert head == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.width > 300
    assert "no basis for a diagnosis" in text
    assert "+ &lt;blended&gt; &amp; more" in text
    assert "Undecided, and counted as wrong" in text


def test_the_same_input_gives_the_same_files(written: tuple[Path, ClassifierReport], tmp_path: Path) -> None:
    runs = {"real": run(1.0), "+ <blended> & more": run(2.5, seed=1, undecided=True)}
    write_report(runs, tmp_path, baseline="real", sampling=QUICK, about={"test set": "faces.zip", "seeds": [0, 1]})
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (written[0] / name).read_bytes(), name


def test_one_run_alone_has_no_comparison(tmp_path: Path) -> None:
    found = write_report({"real": run(1.0)}, tmp_path, sampling=QUICK)
    assert not found.comparisons
    assert rows(tmp_path, "comparisons.csv") == []
    assert (tmp_path / "report.html").read_text().count("<img") == 4


def test_many_runs_and_unknown_ages_can_be_drawn(tmp_path: Path) -> None:
    runs = {f"run {number}": run(0.5 * number, seed=number) for number in range(9)}
    for name, one in runs.items():
        runs[name] = Predictions(
            one.classes, one.keys, one.persons, one.truths, (None,) * len(one), one.probabilities, one.undecided
        )
    write_report(runs, tmp_path, baseline="run 0", sampling=Sampling(resamples=100, permutations=100))
    assert {row["age_group"] for row in rows(tmp_path, "accuracy.csv")} == {"all", "unknown"}


def test_runs_on_other_images_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    runs = {"real": run(1.0), "other": run(1.0, n=48)}
    with pytest.raises(DatasetError, match="real and other were measured on different images"):
        write_report(runs, tmp_path / "out", sampling=QUICK)
    with pytest.raises(ConfigError, match="no run is called 'reel'; the baseline is one of real"):
        write_report({"real": run(1.0)}, tmp_path / "out", baseline="reel", sampling=QUICK)
    with pytest.raises(ConfigError, match="no predictions"):
        write_report({}, tmp_path / "out", sampling=QUICK)
    assert not (tmp_path / "out").exists()
