"""`gestaltgen classify dose` through its runner: phantoms of 32 px, a service in this process, one epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.app import create_app
from api.settings import Settings
from faces.phantoms.phantom_dataset import synthesise
from gestaltgen.cli.main import app
from recognition.runs.set_requests import count_persons_for_size
from tests.api.fake import FakeModel, served
from tests.api.serving import serving
from tests.recognition.plots import skip_plots

CLASSES = ("WS", "22q11DS", "other", "unaffected")


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_plots(monkeypatch)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with real.zip and test.zip, 40 phantoms each, ten of each condition."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("real.zip", "test.zip")):
        synthesise(folder / name, count=40, size=32, seed=seed)
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = Settings(state=tmp_path_factory.mktemp("service") / "state", without_keys=True)
    with serving(create_app(settings, load=served(FakeModel(seen=frozenset())))) as url:
        yield url


def run(data: Path, out: Path, service: str, *more: str) -> Result:
    """Run the command for one kind, with two folds, one seed and one epoch."""
    args = ["classify", "dose", str(data / "real.zip"), "--test", str(data / "test.zip"), "--out", str(out)]
    args += ["--size", "32", "--folds", "2", "--seeds", "1", "--device", "cpu", "--service", service]
    args += ["--set", "epochs=1", "--set", "batch=20", "--set", "precision=float32", *more]
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, args)


def test_sizes_are_trained_for_the_same_steps_and_compared(data: Path, service: str, tmp_path: Path) -> None:
    out, sizes = tmp_path / "dose", ("--augment", "unrelated", "--times", "2", "--times", "0.5", "--every-size")
    result = run(data, out, service, *sizes)
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {"real", "unrelated-0.5", "unrelated-2", "report"}
    for name in ("real", "unrelated-2"):
        asked = json.loads((out / name / "run.json").read_text())["asked"]
        assert asked["training"]["images_per_epoch"] == 20  # the training part of a fold
    report = json.loads((out / "report" / "dose.json").read_text())
    assert [point["times_real"] for point in report["points"]] == [0.5, 2]
    assert [point["images"] for point in report["points"]] == [15, 75]  # one and five persons, three conditions
    assert "recommended: " in result.output
    assert "no basis for a diagnosis" in result.output

    written = (out / "real" / "seed-0" / "fold-0" / "classifier.safetensors").stat().st_mtime_ns
    figures = (out / "report" / "dose.json").read_bytes()
    again = run(data, out, "http://127.0.0.1:9", *sizes)  # nothing is left to ask for
    assert again.exit_code == 0, again.output
    assert (out / "real" / "seed-0" / "fold-0" / "classifier.safetensors").stat().st_mtime_ns == written
    assert (out / "report" / "dose.json").read_bytes() == figures


def test_a_kind_is_given_up_where_more_does_not_help(data: Path, service: str, tmp_path: Path) -> None:
    sizes = ("--augment", "unrelated", "--times", "0.5", "--times", "1", "--times", "2", "--least-gain", "99")
    result = run(data, tmp_path / "dose", service, *sizes)
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "dose" / "unrelated-2").exists()
    assert "unrelated: more did not help at 1 times the real faces" in result.output
    assert "recommended: No image set" in result.output


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (["--times", "0"], "[0.0]"),
        (["--times", "nan"], "[nan]"),
        (["--augment", "older"], "'older'"),
        (["--augment", "unrelated", "--augment", "unrelated"], "each once"),
        (["--augment", "unrelated", "--blend", "0.75"], "--blend"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], value: str, data: Path, tmp_path: Path) -> None:
    result = run(data, tmp_path / "dose", "http://127.0.0.1:9", *options)
    assert result.exit_code == 1, result.output
    assert value in " ".join(result.output.split())
    assert not (tmp_path / "dose").exists()


def test_counts_follow_the_size_and_the_shares_of_the_conditions(data: Path) -> None:
    count = count_persons_for_size
    real, affected = data / "real.zip", CLASSES[:3]
    # 40 faces: of twice as many images at five ages, 16 persons, whom three equal conditions share.
    assert count(real, "age_progression", affected, CLASSES, 2) == {"WS": 5, "22q11DS": 5, "other": 5}
    assert count(real, "blended", affected, CLASSES, 4) == {"WS": 4, "22q11DS": 4, "other": 4}
    assert count(real, "unrelated", affected, CLASSES, 0.01) == {"WS": 1, "22q11DS": 1, "other": 1}
