"""`gestaltgen classify` through its runner: phantoms of 32 px, a service in this process, one epoch."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.app import create_app
from api.models.pool import Models
from api.settings import Settings
from core.errors import ConfigError
from core.seen_images import KEY_DIGITS
from faces.datasets.dataset import Dataset, DatasetWriter
from faces.datasets.name_lists import read_names
from faces.phantoms.phantom_dataset import synthesise
from gen.training.data import Exclusion, load
from gestaltgen.cli.main import app
from recognition.images.service_request import ServiceSetRequest
from recognition.predictions import Predictions
from recognition.presets import find_preset
from recognition.results.report import FILES
from recognition.runs.run_plan import RunSpecification
from recognition.runs.set_requests import count_persons, parse_fold, split_request
from tests.api.fake import FakeModel, served
from tests.api.serving import serving
from tests.recognition.plots import skip_plots

ROOT = Path(__file__).parents[4]
COMMANDS = ("train", "dose", "folds", "predict", "report", "compare", "probe", "presets")
AUGMENT = ("--augment", "age_progression")


@pytest.fixture(autouse=True)
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    skip_plots(monkeypatch)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "faces.zip"
    synthesise(path, count=40, size=32, seed=0)
    return path


@pytest.fixture(scope="module")
def unseen_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "unseen.zip"
    synthesise(path, count=40, size=32, seed=1)
    return path


@contextmanager
def generating(state: Path, seen: frozenset[str] | None = frozenset()) -> Iterator[str]:
    """URL of a service whose generator saw images of these keys; None is not known. One at a time in a process."""
    settings = Settings(state=state, without_keys=True)
    with serving(create_app(settings, load=served(FakeModel(seen=seen)))) as url:
        yield url


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, real: Path, unseen_set: Path) -> tuple[Path, Path]:
    """A run on real images only, and one with an image set."""
    folder = tmp_path_factory.mktemp("runs")
    said = train(real, folder / "real", "--test", str(unseen_set))
    assert "look at" in said
    with generating(folder / "state") as url, pytest.MonkeyPatch.context() as patch:
        skip_plots(patch)
        train(real, folder / "more", "--test", str(unseen_set), *AUGMENT, "--service", url, "--count", "1")
    return folder / "real", folder / "more"


def invoke(*args: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["classify", *args])


def arguments(real: Path, out: Path, *extra: str) -> list[str]:
    """Of a tiny training: two folds, one epoch."""
    args = ["train", "--real", str(real), "--out", str(out), "--size", "32", "--folds", "2", "--device", "cpu"]
    return [*args, "--set", "epochs=1", "--set", "batch=20", "--set", "precision=float32", *extra]


def train(real: Path, out: Path, *extra: str) -> str:
    result = invoke(*arguments(real, out, *extra))
    assert result.exit_code == 0, result.output
    return result.output


def refused(*args: str) -> str:
    """What a refused command says, on one line."""
    result = invoke(*args)
    assert result.exit_code == 1, result.output
    return " ".join(result.output.split())


def keys(path: Path) -> set[str]:
    with Dataset.open(path) as dataset:
        return {dataset.key(index) for index in range(len(dataset))}


def test_a_run_has_classifiers_predictions_and_a_report(runs: tuple[Path, Path], unseen_set: Path) -> None:
    run, _ = runs
    for fold in range(2):
        assert (run / "seed-0" / f"fold-{fold}" / "classifier.safetensors").is_file()
    said = Predictions.load(run / "predictions" / "seed-0.csv")
    assert set(said.keys) == keys(unseen_set)
    assert {path.name for path in (run / "report").iterdir()} == set(FILES)
    told = json.loads((run / "report" / "report.json").read_text())
    assert list(told["runs"]) == ["real"]
    assert told["runs"]["real"]["accuracy"][0]["correct"] == int(said.correct.sum())
    assert told["about"]["image sets"] == "none: real images only"
    assert told["about"]["test set"] == "unseen.zip"
    assert "not known" not in told["about"]


def test_synthetic_images_are_learnt_and_their_set_is_recorded(runs: tuple[Path, Path]) -> None:
    _, run = runs
    about = json.loads((run / "run.json").read_text())
    assert about["sets"]["set"]["model"] == "fake"
    assert about["sets"]["set"]["images"] == 15
    for fold in range(2):
        config = json.loads((run / "seed-0" / f"fold-{fold}" / "config.json").read_text())
        assert config["images"]["train_synthetic"] == 15
        assert config["about"]["sets"] == about["sets"]


def test_the_same_command_goes_on_and_trains_nothing_again(
    runs: tuple[Path, Path], real: Path, unseen_set: Path, tmp_path: Path
) -> None:
    run = tmp_path / "real"
    shutil.copytree(runs[0], run)
    (run / "predictions" / "seed-0.csv").unlink()
    shutil.rmtree(run / "seed-0" / "fold-1")
    before = (run / "seed-0" / "fold-0" / "classifier.safetensors").stat().st_mtime_ns
    train(real, run, "--test", str(unseen_set))
    assert (run / "seed-0" / "fold-0" / "classifier.safetensors").stat().st_mtime_ns == before
    for name in ("seed-0/fold-1/classifier.safetensors", "predictions/seed-0.csv"):
        assert (run / name).read_bytes() == (runs[0] / name).read_bytes()


def test_a_whole_set_needs_no_service_to_go_on(
    runs: tuple[Path, Path], real: Path, unseen_set: Path, tmp_path: Path
) -> None:
    run = tmp_path / "more"
    shutil.copytree(runs[1], run)
    said = train(real, run, "--test", str(unseen_set), *AUGMENT, "--service", "http://127.0.0.1:9", "--count", "1")
    assert "15 synthetic images, all in" in said


def test_another_command_does_not_go_on_with_a_run(runs: tuple[Path, Path], real: Path) -> None:
    said = refused(*arguments(real, runs[0], "--set", "learning_rate=0.1"))
    was = find_preset("small").training.learning_rate
    assert re.search(rf"training\.learning_rate\b.*{was}.*0\.1", said)
    assert "--out" in said
    said = refused(*arguments(real, runs[0], "--augment", "blended"))
    assert re.search(r"sets\.set\.kind\b.*None.*'blended'", said)


def test_a_folder_of_something_else_is_left_alone(real: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    assert str(tmp_path) in refused(*arguments(real, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_training_images_are_no_test_images(real: Path, tmp_path: Path) -> None:
    said = refused(*arguments(real, tmp_path / "run", "--test", str(real)))
    assert re.search(r"\b40 of 40\b.*\b40\b.*classifiers", said)
    assert not (tmp_path / "run" / "seed-0").exists()


def test_persons_in_training_are_no_test_persons(real: Path, unseen_set: Path, tmp_path: Path) -> None:
    with Dataset.open(real) as known, Dataset.open(unseen_set) as other, DatasetWriter(tmp_path / "t.zip") as writer:
        for index in range(4):
            writer.add(other.image(index), replace(other.record(index), person=known.record(index).person))
    said = refused(*arguments(real, tmp_path / "run", "--test", str(tmp_path / "t.zip")))
    assert "4 persons" in said


def test_images_that_the_generator_saw_are_no_test_images(real: Path, unseen_set: Path, tmp_path: Path) -> None:
    seen = frozenset(key[:KEY_DIGITS] for key in sorted(keys(unseen_set))[:3])
    with generating(tmp_path / "state", seen) as url:
        args = arguments(real, tmp_path / "run", *AUGMENT, "--count", "1", "--service", url)
        said = refused(*args, "--test", str(unseen_set))
        assert re.search(r"\b3 of 40\b.*\b3\b.*generator fake", said)
        assert invoke(*args).exit_code == 0
    said = refused("predict", str(tmp_path / "run"), "--test", str(unseen_set))
    assert re.search(r"\b3 of 40\b.*\b3\b.*generator fake", said)


def test_a_generator_that_does_not_say_what_it_saw_needs_a_word(real: Path, unseen_set: Path, tmp_path: Path) -> None:
    with generating(tmp_path / "state", None) as url:
        args = arguments(real, tmp_path / "run", *AUGMENT, "--count", "1", "--service", url, "--test", str(unseen_set))
        said = refused(*args)
        assert "generator fake" in said
        assert "--unknown-training-images" in said
        result = invoke(*args, "--unknown-training-images")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "run" / "report" / "report.json").read_text())
    assert "generator fake" in told["about"]["not known"]
    again = refused("predict", str(tmp_path / "run"), "--test", str(unseen_set))
    assert "generator fake" in again


def test_validation_by_faces_that_the_generator_knows_is_told(real: Path, tmp_path: Path) -> None:
    with generating(tmp_path / "state", frozenset(key[:KEY_DIGITS] for key in keys(real))) as url:
        said = train(real, tmp_path / "run", *AUGMENT, "--count", "1", "--service", url)
    assert "trained on 40 of the 40 real images" in said


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, real: Path) -> list[frozenset[str]]:
    """Keys of what each of two folds holds back, by the lists for the training of generators."""
    out = tmp_path_factory.mktemp("lists")
    result = invoke("folds", "--real", str(real), "--out", str(out), "--folds", "2")
    assert result.exit_code == 0, result.output
    assert f"gestaltgen train {real} --exclude {out / 'fold-0.txt'}" in result.output
    with Dataset.open(real) as data:
        lists = [load(data, Exclusion.read(out / f"fold-{fold}.txt")) for fold in range(2)]
        assert [one.left_out for one in lists] == [20, 20]
        persons = [read_names(out / f"fold-{fold}.txt") for fold in range(2)]
        return [
            frozenset(data.key(index)[:KEY_DIGITS] for index in range(len(data)) if data.record(index).person in names)
            for names in persons
        ]


@contextmanager
def generating_folds(state: Path, seen: Sequence[frozenset[str] | None]) -> Iterator[str]:
    """URL of a service with the generators fold-0, fold-1, …; each saw images of these keys, or does not say."""
    models = {
        f"fold-{fold}": FakeModel(name=f"fold-{fold}", weights=str(fold) * 64, seen=keys)
        for fold, keys in enumerate(seen)
    }
    with serving(create_app(Settings(state=state, without_keys=True), load=lambda _: Models(models))) as url:
        yield url


OF_FOLDS = (*AUGMENT, "--count", "1", "--model", "fold-{fold}")


def test_the_folds_of_the_lists_are_those_of_the_run(runs: tuple[Path, Path], held: list[frozenset[str]]) -> None:
    assert [set(fold) for fold in json.loads((runs[0] / "folds.json").read_text())] == held


def test_a_fold_learns_from_its_own_generator(
    real: Path, unseen_set: Path, held: list[frozenset[str]], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with generating_folds(tmp_path / "state", [held[1], held[0]]) as url:
        said = train(real, run, "--test", str(unseen_set), *OF_FOLDS, "--service", url)
    assert "30 synthetic images of fold-0, fold-1" in said
    assert "validation figures" not in said
    sets = json.loads((run / "run.json").read_text())["sets"]
    assert {name: one["model"] for name, one in sets.items()} == {"fold-0/set": "fold-0", "fold-1/set": "fold-1"}
    for fold in range(2):
        config = json.loads((run / "seed-0" / f"fold-{fold}" / "config.json").read_text())
        assert config["images"]["train_synthetic"] == 15
        assert config["about"]["sets"] == {f"fold-{fold}/set": sets[f"fold-{fold}/set"]}
    assert "seed-0/fold-0: epoch 1 of 1 is the best" in said
    said = refused(*arguments(real, tmp_path / "other", "--set-from", str(run), "--fold-seed", "1"))
    assert re.search(r"--folds 2\b.*--fold-seed 0\b.*\b2\b.*\b1\b", said)
    with generating_folds(tmp_path / "again", [held[1], held[0]]) as url:
        train(real, tmp_path / "same", "--set-from", str(run), "--service", url)
    assert json.loads((tmp_path / "same" / "run.json").read_text())["sets"] == sets


def test_a_generator_that_knows_the_faces_which_choose_the_epoch_of_its_fold_is_refused(
    real: Path, held: list[frozenset[str]], tmp_path: Path
) -> None:
    with generating_folds(tmp_path / "state", [held[1], held[1]]) as url:
        said = refused(*arguments(real, tmp_path / "run", *OF_FOLDS, "--service", url))
    assert re.search(r"generator fold-1\b.*\b20\b.*\b20\b", said)
    assert "gestaltgen classify folds" in said
    assert "--out" in said
    assert not (tmp_path / "run" / "seed-0").exists()


def test_a_generator_of_a_fold_that_does_not_say_what_it_saw_is_told_of(real: Path, tmp_path: Path) -> None:
    with generating_folds(tmp_path / "state", [frozenset(), None]) as url:
        said = train(real, tmp_path / "run", *OF_FOLDS, "--service", url)
    assert "not known: all images that generator fold-1 was trained on" in said
    assert "generator fold-0" not in said


def test_lists_that_would_mislead_are_not_written(real: Path, tmp_path: Path) -> None:
    def folds(data: Path, *more: str) -> tuple[str, ...]:
        return ("folds", "--real", str(data), "--out", str(tmp_path / "lists"), "--folds", "2", *more)

    for _ in range(2):  # the same again changes nothing
        assert invoke(*folds(real)).exit_code == 0
    assert str(tmp_path / "lists") in refused(*folds(real, "--fold-seed", "1"))
    with Dataset.open(real) as data, DatasetWriter(tmp_path / "slashes.zip") as writer:
        for index in range(len(data)):
            writer.add(data.image(index), replace(data.record(index), person=f"{data.record(index).person}/1"))
    assert "/1" in refused(*folds(tmp_path / "slashes.zip"))


def test_a_condition_with_a_slash_is_no_fold() -> None:
    assert [parse_fold(name) for name in ("set", "fold-2/set", "A/B", "fold-1")] == [None, 2, None, None]


def test_a_service_without_a_generator_for_every_fold_is_refused(real: Path, tmp_path: Path) -> None:
    with generating_folds(tmp_path / "state", [frozenset()]) as url:
        assert "fold-1" in refused(*arguments(real, tmp_path / "run", *OF_FOLDS, "--service", url))


def test_a_service_that_is_not_there_is_named(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recognition.runs.service_connection.READY_S", 0.0)
    said = refused(*arguments(real, tmp_path / "run", *AUGMENT, "--service", "http://127.0.0.1:9"))
    assert "http://127.0.0.1:9" in said
    assert "--service" in said


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (["--count", "3"], "--count "),
        (["--condition", "WS"], "--condition "),
        (["--counts-from", "x.zip"], "--counts-from "),
        (["--synthetic-only"], "--synthetic-only"),
        ([*AUGMENT, "--blend", "0.55"], "--blend "),
        ([*AUGMENT, "--set-from", "x"], "--augment and --set-from"),
        ([*AUGMENT, "--count", "3", "--counts-from", "x.zip"], "--count and --counts-from"),
        ([*AUGMENT, "--count", "3", "--total-images", "15"], "--count and --total-images"),
        (["--total-images", "15"], "--total-images "),
        (["--augment", "older"], "'older'"),
        (["--preset", "mine"], "'mine'"),
        (["--network", "vgg"], "'vgg'"),
        (["--set", "epoch=3"], "epoch=3"),
        (["--set", "epochs=many"], "'many'"),
        (["--set-from", "nowhere"], "nowhere"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: list[str], value: str, real: Path, tmp_path: Path) -> None:
    assert value in refused(*arguments(real, tmp_path / "run", *options))
    assert not (tmp_path / "run").exists()


def test_the_very_set_of_another_run(runs: tuple[Path, Path], real: Path, tmp_path: Path) -> None:
    with generating(tmp_path / "state") as url:
        train(real, tmp_path / "again", "--set-from", str(runs[1]), "--service", url)
    first, again = (json.loads((run / "run.json").read_text()) for run in (runs[1], tmp_path / "again"))
    assert first["sets"] == again["sets"]


def test_a_run_of_real_images_alone_has_no_sets_to_give(runs: tuple[Path, Path], real: Path, tmp_path: Path) -> None:
    said = refused(*arguments(real, tmp_path / "run", "--set-from", str(runs[0])))
    assert str(runs[0]) in said
    assert "--augment" in said


def test_synthetic_images_alone_are_of_every_class(real: Path, tmp_path: Path) -> None:
    with generating(tmp_path / "state") as url:
        train(real, tmp_path / "run", *AUGMENT, "--synthetic-only", "--counts-from", str(real), "--service", url)
    config = json.loads((tmp_path / "run" / "seed-0" / "fold-0" / "config.json").read_text())
    assert config["images"] == {"train_real": 0, "train_synthetic": 40, "validation": 20}
    assert set(config["training_shares"].values()) == {0.25}


def test_the_images_of_the_whole_set_can_be_named(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(specification: RunSpecification, *_: object) -> None:
        assert specification.sets is not None
        assert specification.sets.request is not None
        asked.append(specification.sets.request.to_json())
        raise ConfigError("trains nothing")

    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("gestaltgen.cli.classify.train.train_and_measure", refuse)
    refused(*arguments(real, tmp_path / "run", *AUGMENT, "--total-images", "15"))
    assert asked == [{"kind": "age_progression", "total_images": 15}]


def test_counts_are_those_of_the_study(real: Path) -> None:
    classes = ("WS", "22q11DS", "other", "unaffected")  # ten of each: the mean over five ages is 2
    assert count_persons(real, "age_progression", classes[:3], classes) == {"WS": 2, "22q11DS": 2, "other": 2}
    assert count_persons(real, "blended", classes[:3], classes) == {"WS": 1, "22q11DS": 1, "other": 1}
    with pytest.raises(ConfigError):
        split_request(ServiceSetRequest("unrelated"), count_persons(real, "unrelated", ("PWS",), classes))


def test_counts_from_a_data_set_ask_for_each_condition(real: Path, tmp_path: Path) -> None:
    with generating(tmp_path / "state") as url:
        train(real, tmp_path / "run", *AUGMENT, "--counts-from", str(real), "--service", url)
    sets = json.loads((tmp_path / "run" / "run.json").read_text())["sets"]
    assert {name: one["images"] for name, one in sets.items()} == {"WS": 10, "22q11DS": 10, "other": 10}


def test_classes_without_faces_are_left_out(real: Path, tmp_path: Path) -> None:
    with Dataset.open(real) as data, DatasetWriter(tmp_path / "few.zip") as writer:
        for index in range(len(data)):
            if data.record(index).condition != "other":
                writer.add(data.image(index), data.record(index))
    with generating(tmp_path / "state") as url:
        said = train(tmp_path / "few.zip", tmp_path / "run", *AUGMENT, "--count", "1", "--service", url)
    assert "no face of other" in said
    assert json.loads((tmp_path / "run" / "run.json").read_text())["sets"]["set"]["images"] == 10


def test_runs_are_reported_and_compared(runs: tuple[Path, Path], tmp_path: Path) -> None:
    real, more = map(str, runs)
    result = invoke("report", real, f"+ progression={more}", "--out", str(tmp_path / "report"), "--resamples", "200")
    assert result.exit_code == 0, result.output
    with (tmp_path / "report" / "comparisons.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {(row["baseline"], row["run"]) for row in table} == {("real", "'+ progression")}  # no formula
    compared = invoke("compare", real, more, "--resamples", "200")
    assert compared.exit_code == 0, compared.output
    difference = 100 * float(table[0]["difference"])
    assert f"{difference:+.1f} (" in compared.output
    assert "no basis for a diagnosis" in compared.output


def test_more_seeds_are_added_to_a_run_and_pooled(
    runs: tuple[Path, Path], real: Path, unseen_set: Path, tmp_path: Path
) -> None:
    run = tmp_path / "real"
    shutil.copytree(runs[0], run)
    train(real, run, "--test", str(unseen_set), "--seeds", "2")
    assert {path.name for path in (run / "predictions").iterdir()} == {"seed-0.csv", "seed-1.csv"}
    told = json.loads((run / "report" / "report.json").read_text())
    assert (told["images"], told["persons"]) == (80, 40)
    said = refused("compare", str(runs[1]), f"two={run}")
    assert "more 1, two 2" in said
    assert invoke("compare", str(runs[1]), f"one={run}/predictions/seed-0.csv").exit_code == 0


def test_runs_on_other_test_sets_are_not_compared(runs: tuple[Path, Path], unseen_set: Path, tmp_path: Path) -> None:
    with Dataset.open(unseen_set) as data, DatasetWriter(tmp_path / "fewer.zip") as writer:
        for index in range(30):
            writer.add(data.image(index), data.record(index))
    result = invoke("predict", str(runs[0]), "--test", str(tmp_path / "fewer.zip"), "--out", str(tmp_path / "said"))
    assert result.exit_code == 0, result.output
    assert re.search(r"right of 30 predictions", result.output)
    said = refused("compare", str(runs[1]), str(tmp_path / "said"))
    assert all(named in said for named in ("more", "said", "10 of 40"))
    said = refused("report", str(runs[1]), str(tmp_path / "said"), "--out", str(tmp_path / "report"))
    assert all(named in said for named in ("more", "said"))
    assert not (tmp_path / "report").exists()


def test_many_runs_fit_the_width_of_a_terminal(runs: tuple[Path, Path], tmp_path: Path) -> None:
    named = [f"+ age progression {number}={runs[number % 2]}" for number in range(4)]
    args = ["classify", "report", *named, "--out", str(tmp_path), "--resamples", "200"]
    shown = CliRunner(env={"COLUMNS": "80"}).invoke(app, args).output
    assert len(re.findall(r"\+ age progression \d( +\d+\.\d| +\d+\.\d \(\d+–\d+\)){6} *$", shown, re.MULTILINE)) == 4
    assert any(line.rstrip().endswith("other   unaffected") for line in shown.splitlines()[:4])


def test_undecided_faces_are_told(runs: tuple[Path, Path], unseen_set: Path, tmp_path: Path) -> None:
    said, report = str(tmp_path / "said"), str(tmp_path / "report")
    shown = invoke("predict", str(runs[0]), "--test", str(unseen_set), "--out", said, "--threshold", "1").output
    assert "0.0% right, 100.0% undecided of 40 predictions" in shown
    shown = invoke("report", f"all={runs[0]}", f"sure={said}", "--out", report, "--resamples", "200").output
    assert re.search(r"undecided +0\.0 +100\.0", shown)
    assert "no fold is as sure as --threshold asks for" in shown
    assert "no fold is as sure" not in invoke("report", str(runs[0]), "--out", report, "--resamples", "200").output


def test_what_is_no_run_is_told(tmp_path: Path, unseen_set: Path) -> None:
    assert "run.json" in refused("predict", str(tmp_path), "--test", str(unseen_set))
    assert str(tmp_path) in refused("report", str(tmp_path))
    assert "none.csv" in refused("report", str(tmp_path / "none.csv"))


def test_a_table_without_persons_is_refused(real: Path, tmp_path: Path) -> None:
    with Dataset.open(real) as data, DatasetWriter(tmp_path / "nobody.zip") as writer:
        for index in range(8):
            writer.add(data.image(index), replace(data.record(index), person=None))
    said = refused(*arguments(tmp_path / "nobody.zip", tmp_path / "run"))
    assert "labels.csv" in said


def test_help_teaches_and_the_docs_name_every_command() -> None:
    docs = (ROOT / "docs" / "recognition.md").read_text()
    shown = {command: invoke(command, "--help").output for command in COMMANDS}
    for command in COMMANDS:
        assert f"gestaltgen classify {command}" in docs
    for option in set(re.findall(r"--[a-z][a-z-]+", docs)):
        assert any(option in text for text in shown.values()), option
    assert "GESTALTGEN_KEY" in shown["train"]
    assert "runs/progression" in shown["train"]


def test_presets_are_described() -> None:
    shown = invoke("presets").output
    for name in ("small", "duong", "duong-code", "patel", "patel-code"):
        assert name in shown
