"""The augmentation experiment: who is drawn, what is asked for and added, processes that fail, and the table."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from typer.testing import CliRunner

from api.app import create_app
from api.models.pool import Models
from api.settings import Settings
from core.errors import ConfigError, PullError, TrainingError
from experiments.augmentation import generators, people
from experiments.augmentation.__main__ import app, choose_arms
from experiments.augmentation.arms import ALL_ARMS, ARMS, build_requests, count_as_study, select_further_faces
from experiments.augmentation.classifiers import TRAIN, locate_predictions, locate_sets, split_folds
from experiments.augmentation.grey import turn_grey
from experiments.augmentation.judges import train_judges
from experiments.augmentation.labels import relabel
from experiments.augmentation.readings import describe_readings, read_conditions
from experiments.augmentation.results import write_results
from experiments.augmentation.sheet import SHOWN, draw_sheet
from experiments.processes import SideProcess, run_side_by_side
from faces.contact_sheets import contact_sheet
from faces.images import Pixels
from faces.labels import AGE_GROUPS, CONDITIONS, find_age_group
from gestaltgen_client import Client
from recognition.classifier import Classifier, build_network
from recognition.images.image_stack import Stack
from recognition.images.leakage import TrainingRecord
from recognition.images.pulled_sets import pull_set
from recognition.images.samples import Sample, Samples, load_real_samples
from recognition.predictions import Predictions
from tests.api.fake import FakeModel
from tests.api.serving import serving
from tests.recognition.coloured import QUICK, squares
from tests.recognition.plots import skip_plots


def cells(counts: dict[str, int]) -> Stack:
    """So many faces of each age group, by condition."""
    rows = [(name, group.name) for name, count in counts.items() for group in AGE_GROUPS for _ in range(count)]
    some = squares(len(rows), seed=5)
    samples = tuple(
        Sample(sample.key, tuple(float(name == c) for c in CONDITIONS), name, age, sample.person, synthetic=False)
        for sample, (name, age) in zip(some.samples, rows, strict=True)
    )
    return Stack(CONDITIONS, samples, some.pixels, some.labels)


def test_people_are_scarce_and_unbalanced_as_asked_and_each_is_in_one_set() -> None:
    drawn = {seed: list(people.draw_people(people.COUNTS, seed, twice=True)) for seed in (1, 2)}
    for faces in drawn.values():
        found = Counter((face.condition, find_age_group(face.age_years).name) for face in faces)
        wanted = {(c, g.name): n for c, by in people.COUNTS.items() for g, n in zip(AGE_GROUPS, by, strict=True)}
        assert found == wanted
        pictures = Counter(face.identity for face in faces)
        assert set(pictures.values()) == {1, 2}
        assert len({(face.identity, face.condition) for face in faces}) == len(pictures)
    assert not {face.identity for face in drawn[1]} & {face.identity for face in drawn[2]}
    assert drawn[1] == list(people.draw_people(people.COUNTS, 1, twice=True))


def test_sets_are_asked_for_in_the_studys_counts() -> None:
    learnt = cells({"WS": 2, "22q11DS": 3, "other": 4, "unaffected": 7})
    assert count_as_study(learnt) == {"WS": 2, "22q11DS": 3, "other": 4, "unaffected": 7}
    by_name = {arm.folder: build_requests(arm, "fold-1", learnt) for arm in ARMS}
    assert by_name["real"] == by_name["extra-real"] == {}
    progression = by_name["age-progression"]
    assert {name: request.count for name, request in progression.items()} == {"WS": 2, "22q11DS": 3, "other": 4}
    assert {request.model for request in progression.values()} == {"fold-1"}
    assert {name: request.count for name, request in by_name["blended-75"].items()} == {
        name: math.ceil(n / 3) for name, n in (("WS", 2), ("22q11DS", 3), ("other", 4))
    }
    assert {request.blend for request in by_name["blended-75"].values()} == {0.75}
    filtered = by_name["unrelated-filtered"]
    assert {(one.min_condition, one.classifier, one.truncation) for one in filtered.values()} == {(0.5, "fold-1", 1.0)}
    assert {name: request.count for name, request in by_name["synthetic-4"].items()} == {
        "WS": 8, "22q11DS": 12, "other": 16, "unaffected": 28,
    }  # fmt: skip


def test_further_real_faces_are_as_many_as_unrelated_ones() -> None:
    learnt, pool = cells({"WS": 2, "22q11DS": 3, "other": 1, "unaffected": 4}), cells(dict.fromkeys(CONDITIONS, 5))
    found = Counter((sample.condition, sample.age_group) for sample in select_further_faces(pool, learnt).samples)
    assert found == {(c, g.name): n for c, n in (("WS", 2), ("22q11DS", 3), ("other", 1)) for g in AGE_GROUPS}


def read_as(shares: list[list[float]]) -> Classifier:
    """A classifier that reads these shares from the faces of a stack, in their order."""

    class Reader(Classifier):
        def predict_probabilities(self, samples: Samples, device: Any = "cpu") -> npt.NDArray[np.float64]:
            return np.array(shares)

    return Reader(build_network(QUICK, 4), CONDITIONS, QUICK, TrainingRecord("nobody", frozenset()))


def test_blends_get_hard_labels_or_those_that_are_read_of_their_conditions() -> None:
    faces = squares(3, blend=0.75).subset([0, 0, 1])
    reader = read_as([[0.6, 0.2, 0.2, 0.0], [0.2, 0.2, 0.6, 0.0], [0.0, 0.1, 0.9, 0.0]])
    assert relabel(faces, "soft", reader) is faces
    hard = relabel(faces, "hard", reader)
    assert hard.labels.argmax(dim=1).tolist() == [0, 0, 1]
    assert [sample.condition for sample in hard.samples] == ["WS", "WS", "22q11DS"]
    corrected = relabel(faces, "corrected", reader)
    expected = np.array([[0.625, 0.375, 0, 0], [0.625, 0.375, 0, 0], [0, 0.1, 0.9, 0]])
    assert corrected.labels.numpy() == pytest.approx(expected)
    assert corrected.samples[0].condition is None
    assert [list(sample.label) for sample in corrected.samples] == [pytest.approx(row) for row in expected.tolist()]
    assert relabel(faces, "read", reader).labels[1].tolist() == pytest.approx([0.2, 0.2, 0.6, 0])


def test_a_share_of_each_condition_is_shown_in_grey_and_the_rest_stays() -> None:
    faces = cells({"WS": 4, "other": 1})
    faces = replace(faces, labels=torch.tensor([sample.label for sample in faces.samples]))
    grey = turn_grey(faces, 0.25, seed=0)
    changed = (grey.pixels != faces.pixels).flatten(1).any(dim=1)
    assert Counter(sample.condition for sample, one in zip(faces.samples, changed, strict=True) if one) == {
        "WS": 5,
        "other": 1,  # a quarter of five, rounded
    }
    assert (grey.pixels[changed] == grey.pixels[changed][..., :1]).all()
    assert grey.samples == faces.samples
    assert (turn_grey(faces, 0.25, seed=0).pixels == grey.pixels).all()
    assert (turn_grey(faces, 0.25, seed=1).pixels != grey.pixels).any()


def test_only_conditions_of_affected_persons_are_read() -> None:
    faces = squares(4)
    reader = np.eye(4)[[0, 0, 2, 3]]
    read = read_conditions(faces, lambda _: reader)
    right = {sample.condition: {sample.key: place != 1} for place, sample in enumerate(faces.samples)}
    del right["unaffected"]
    assert read == right


def test_readings_count_a_face_of_two_folds_once_and_show_each_generator() -> None:
    one = {"WS": {"a": True, "b": False}, "other": {"c": True}}
    other = {"WS": {"b": False, "d": False}, "other": {"c": True}}
    *by_condition, mean, single = describe_readings([one, other])
    assert by_condition == ["33.3%", "100.0%"]
    assert mean.startswith("66.7% (")
    assert single == "50.0% to 75.0%"
    assert describe_readings([one, one])[-1] == ""


def test_a_judge_has_seen_nothing_of_its_folds_validation_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people.write_dataset(tmp_path / TRAIN, dict.fromkeys(CONDITIONS, (3,) * 5), 1, size=32, workers=1)
    monkeypatch.setattr("experiments.augmentation.judges.CONFIG", QUICK)
    real = load_real_samples(tmp_path / TRAIN)
    judges = train_judges(tmp_path, 2, epochs=1)
    trained = [judge.read_bytes() for judge in judges]
    assert [judge.read_bytes() for judge in train_judges(tmp_path, 2, epochs=1)] == trained
    for (inside, held), judge in zip(split_folds(real, 2), judges, strict=True):
        seen = Classifier.open(judge).seen.keys
        assert seen == TrainingRecord.from_samples(real.subset(inside), "").keys
        assert not seen & TrainingRecord.from_samples(real.subset(held), "").keys


def test_generators_with_a_condition_loss_differ_in_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[SideProcess] = []
    monkeypatch.setattr(generators, "run_side_by_side", lambda parts, _: ran.extend(parts))
    for judges in (None, [tmp_path / "judge"]):
        generators.train_folds(tmp_path, tmp_path / TRAIN, [tmp_path / "held.txt"], 64, judges)
    plain, conditioned = (" ".join(part.command) for part in ran)
    assert f"--out {tmp_path / 'fold-0'} " in plain
    conditioned = conditioned.replace(str(tmp_path / "conditioned-0"), str(tmp_path / "fold-0"))
    conditioned = conditioned.replace(" --set condition_loss_weight=0.5", "")
    assert conditioned == f"{plain} --condition-loss {tmp_path / 'judge'}"


def test_one_generator_for_all_folds_has_no_condition_loss(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--generator", "any.safetensors", "--arm", "unrelated-conditioned"]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ConfigError)
    assert "omit --generator" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_arms_have_folders_of_their_own_and_only_those_that_are_named_take_further_ones() -> None:
    assert len({arm.folder for arm in ALL_ARMS}) == len({arm.name for arm in ALL_ARMS}) == len(ALL_ARMS)
    assert choose_arms(None) == ARMS
    assert [arm.folder for arm in choose_arms(["real-longer"])] == ["real", "real-longer"]
    with pytest.raises(ConfigError, match="unknown arm longer"):
        choose_arms(["longer"])
    minutes = {arm.folder: arm.estimate_minutes(15, 60) for arm in ALL_ARMS}
    assert minutes["real-longer"] == pytest.approx(2 * minutes["real"]) == pytest.approx(28.5)
    assert sum(arm.estimate_minutes(15, 60) for arm in ARMS) < 4 * 60


def test_a_process_that_fails_is_told_of_and_the_others_finish(tmp_path: Path) -> None:
    def part(name: str, code: str, *, done: bool = False) -> SideProcess:
        return SideProcess(name, (sys.executable, "-c", code), tmp_path / name / "log.txt", done)

    parts = [
        part("good", "import time; time.sleep(1); print('fine')"),
        part("bad", "raise SystemExit('no disk')"),
        part("old", "", done=True),
    ]
    with pytest.raises(TrainingError, match=r"give the same command again.\nbad, .*log.txt:\nno disk"):
        run_side_by_side(parts, tmp_path / "costs.jsonl")
    costs = [json.loads(line) for line in (tmp_path / "costs.jsonl").read_text().splitlines()]
    assert {cost["part"]: cost["code"] for cost in costs} == {"good": 0, "bad": 1}
    (good,) = (cost for cost in costs if cost["part"] == "good")
    assert good["seconds"] >= 1
    assert 1 < good["peak_mb"] < 100  # its own, not that of the process that began it
    assert (tmp_path / "good" / "log.txt").read_text() == "fine\n"


def test_the_sheet_shows_each_kind_of_image_at_each_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people.write_dataset(tmp_path / TRAIN, dict.fromkeys(CONDITIONS, (2,) * 5), 1, size=32, workers=1)
    real = load_real_samples(tmp_path / TRAIN)
    learnt = real.subset(split_folds(real)[0][0])
    models = Models({"fold-0": FakeModel(name="fold-0")})
    app = create_app(Settings(state=tmp_path / "state", without_keys=True), load=lambda _: models)
    with serving(app) as url, Client(url) as client:
        for arm in (arm for arm in ARMS if arm.kind and arm.real and arm.min_condition is None):
            requests = build_requests(arm, "fold-0", learnt)
            for name in SHOWN:
                pull_set(client, requests[name], locate_sets(arm, tmp_path, 0) / name).wait().close()
    rows: list[list[Pixels]] = []

    def keep(shown: list[list[Pixels]], **words: Any) -> Pixels:
        rows.extend(shown)
        return contact_sheet(shown, **words)

    monkeypatch.setattr("experiments.augmentation.sheet.contact_sheet", keep)
    assert draw_sheet(tmp_path).startswith(b"\x89PNG")
    assert [len(row) for row in rows] == [5] * 14
    assert [image[0, 0].tolist() for image in rows[1]] == [[0, 50 * step, 0] for step in range(5)]
    assert [image[0, 0].tolist() for image in rows[13]] == [[0, 50 * step, 60] for step in range(5)]
    shutil.rmtree(locate_sets(ARMS[2], tmp_path, 0))
    with pytest.raises(PullError, match="does not hold the whole set"):
        draw_sheet(tmp_path)


def test_the_table_says_what_was_measured_beside_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skip_plots(monkeypatch)
    n = 80
    truths = np.arange(n, dtype=np.int64) % 4

    def said(wrong: int) -> Predictions:
        """Predictions of which the first few are wrong."""
        chosen = np.where(np.arange(n) < wrong, (truths + 1) % 4, truths)
        return Predictions(
            classes=CONDITIONS,
            keys=tuple(f"{k:064x}" for k in range(n)),
            persons=tuple(f"p{k}" for k in range(n)),
            truths=truths,
            age_groups=tuple(AGE_GROUPS[k % 5].name for k in range(n)),
            probabilities=np.eye(4)[chosen] * 0.6 + 0.1,
            undecided=np.zeros(n, dtype=np.bool_),
        )

    for place, arm in enumerate(ARMS):
        for seed in (0, 1):
            path = locate_predictions(tmp_path, arm, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            said(40 - 4 * place - 4 * seed).save(path)
    rows = [line.split(" | ") for line in write_results(tmp_path, (0, 1)).splitlines()]
    assert len(rows) == 2 + len(ARMS)
    assert rows[2][0] == "| real"
    assert rows[2][5].startswith("52.5% (")
    assert rows[2][6:9] == ["50.0% to 55.0%", "", ""]
    assert rows[2][-1] == "87.1 |"
    assert rows[6][0] == "| + age progression"
    assert rows[6][7] == "+20.0%"
    assert float(rows[6][8]) < 0.01
    filtering = json.loads((tmp_path / "filtering.json").read_text())
    assert filtering["difference"] == pytest.approx(4 / 80)
    assert filtering["low"] < filtering["difference"] < filtering["high"]
    assert (tmp_path / "differences.png").read_bytes().startswith(b"\x89PNG")
