"""Scores and filters of image sets, with the shipped phantoms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import weights
from api.image_sets.local_sets import write_image_set
from api.image_sets.scoring import settle_scores
from api.models.classifiers import Classifiers
from api.models.compiled_oracle import OracleReader
from api.models.generator import GeneratorModel
from core.errors import RequestError
from core.precision import Precision
from faces.oracle.attribute_network import load
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import nth_phantom
from recognition.classifier import Classifier, build_network
from recognition.config import ClassifierTrainingConfig
from recognition.images.leakage import TrainingRecord
from tests.api.lab import WAIT, Lab, good

ASKED = {"kind": "unrelated", "conditions": ["WS", "other"], "ages": ["child"], "count": 3, "truncation": 1.0}
FILTER = {"min_condition": 0.99, "min_age": 0.6, "min_face": 0.1, "min_sharpness": 1.3, "min_novelty": 8.0}
NAMES = {"condition", "condition_read", "read_by", "age", "age_read", "face", "sharpness", "novelty"}

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def model() -> GeneratorModel:
    return GeneratorModel(weights.default())


def make(model: GeneratorModel, out: Path, asked: dict[str, Any], classifiers: Classifiers | None = None) -> Lines:
    """Make a set in a folder; returns the lines of its manifest."""
    plan = model.plan(settle_scores(asked, model.info, classifiers), 1000)
    write_image_set(out, plan, model, classifiers=classifiers)
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def save_classifier(path: Path, classes: tuple[str, ...], seed: int = 0) -> None:
    """Save a classifier that has learnt nothing."""
    config = ClassifierTrainingConfig(size=32, seed=seed)
    network = build_network(config, len(classes)).eval()
    Classifier(network, classes, config, TrainingRecord("classifier", frozenset())).save(path)


def list_sums(lines: Lines) -> list[str]:
    return [line["sha256"] for line in lines]


def test_the_manifest_has_the_scores_that_were_asked_for(model: GeneratorModel, tmp_path: Path) -> None:
    scored, plain = make(model, tmp_path / "a", ASKED | {"scores": True}), make(model, tmp_path / "b", ASKED)
    assert list_sums(scored) == list_sums(plain)
    assert all("scores" not in line for line in plain)
    assert all(set(line["scores"]) == NAMES for line in scored)
    assert np.mean([line["scores"]["condition_read"] == line["condition"] for line in scored]) > 0.6


def test_a_filter_refills_and_its_selection_gives_the_same_images(model: GeneratorModel, tmp_path: Path) -> None:
    kept = make(model, tmp_path / "kept", ASKED | FILTER)
    assert len(kept) == 6
    for line in kept:
        for name, least in FILTER.items():
            assert line["scores"][name.removeprefix("min_")] >= least
    selection = json.loads((tmp_path / "kept/selection.json").read_text())
    assert selection["kept"] == 6
    assert selection["drawn"] == 6 + len(selection["left_out"]) > 6
    assert sum(selection["refused"].values()) >= len(selection["left_out"])
    assert all(one["refused_by"] for one in selection["left_out"])
    assert (tmp_path / "kept/left-out.png").read_bytes().startswith(b"\x89PNG")
    again = make(model, tmp_path / "again", selection["request"])
    assert list_sums(again) == list_sums(kept)
    assert not (tmp_path / "again/selection.json").exists()


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "age_progression", "conditions": ["WS", "other"], "count": 2, "min_condition": 0.3},
        {"kind": "blended", "conditions": ["WS"], "years": [4, 12], "count": 2, "min_condition": 0.2},
    ],
)
def test_a_person_is_kept_whose_images_all_pass(model: GeneratorModel, tmp_path: Path, asked: dict[str, Any]) -> None:
    asked = asked | {"truncation": 1.0, "seed": 5}
    kept = make(model, tmp_path / "kept", asked)
    plan = model.plan(settle_scores(asked, model.info, None), 1000)
    assert [line["condition"] for line in kept] == [row.to_json()["condition"] for row in plan.rows]
    assert min(line["scores"]["condition"] for line in kept) >= asked["min_condition"]
    selection = json.loads((tmp_path / "kept/selection.json").read_text())
    assert list_sums(make(model, tmp_path / "again", selection["request"])) == list_sums(kept)


def test_a_filter_that_nothing_passes_says_what_refused_how_many(model: GeneratorModel, tmp_path: Path) -> None:
    asked = ASKED | {"conditions": ["WS"], "min_face": 200.0, "min_condition": 0.0}
    with pytest.raises(RequestError, match=r"100 of WS, child were drawn, 0 passed, and 3 .* min_face 200 refused 100"):
        make(model, tmp_path / "none", asked)
    assert not (tmp_path / "none").exists()


def test_the_compiled_oracle_reads_as_the_network_does() -> None:
    images = np.stack([draw_phantom(nth_phantom(number, 0), 128).image for number in range(5)])
    expected = load(weights.oracle())[0].read_pixels(images)
    read: dict[Precision, float] = {"float32": 1e-5, "bfloat16": 0.05}
    for precision, tolerance in read.items():
        found = OracleReader(precision).read(images)
        assert found.ages is not None
        np.testing.assert_allclose(found.conditions, expected.condition_logits.softmax(1).numpy(), atol=tolerance)
        np.testing.assert_allclose(found.ages, expected.age_logits.exp().numpy(), atol=tolerance)


def test_a_classifier_reads_the_condition_instead_of_the_oracle(model: GeneratorModel, tmp_path: Path) -> None:
    save_classifier(tmp_path / "folder/mine.safetensors", model.info.conditions)
    classifiers = Classifiers(tmp_path / "folder", 1 << 30)
    lines = make(model, tmp_path / "set", ASKED | {"scores": True, "classifier": "mine"}, classifiers)
    assert {line["scores"]["read_by"] for line in lines} == {"mine"}
    assert all(0 <= line["scores"]["condition"] <= 1 for line in lines)
    settled = settle_scores(ASKED | {"scores": True, "classifier": "mine"}, model.info, classifiers)
    save_classifier(tmp_path / "folder/mine.safetensors", model.info.conditions, seed=1)
    with pytest.raises(RequestError, match="classifier 'mine' that is there has"):
        settle_scores(settled, model.info, classifiers)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"min_condition": 1.5}, "min_condition", r"1.5; expected a number in \[0, 1\]"),
        ({"seeds": [1, 2], "count": None, "min_face": 0.1}, "seeds", "give count, or no minimum"),
        ({"classifier": "oracle"}, "classifier", "without scores"),
        ({"scores": True, "classifier": "nobody"}, "classifier", "unknown 'nobody'; expected one of oracle"),
        ({"seeds_by_label": {"WS": [1]}, "count": None}, "seeds_by_label", "takes seeds by age"),
        ({"seeds_by_label": {"WS": {"child": [1]}}}, "count", "leave one of them out"),
    ],
)
def test_fields_that_do_not_fit_are_refused(
    model: GeneratorModel, fields: dict[str, Any], field: str, message: str
) -> None:
    asked = {name: value for name, value in (ASKED | fields).items() if value is not None}
    with pytest.raises(RequestError, match=message) as caught:
        model.plan(settle_scores(asked, model.info, None), 1000)
    assert caught.value.field == field


def test_a_generator_of_photographs_needs_a_classifier_for_conditions() -> None:
    info = GeneratorModel(weights.find_file("portraits128.safetensors")).info
    asked = {"kind": "unrelated", "conditions": [info.conditions[0]], "count": 1, "min_condition": 0.5}
    with pytest.raises(RequestError, match="nothing reads the condition of this generator"):
        settle_scores(asked, info, None)
    assert settle_scores({**asked, "min_condition": None, "scores": True}, info, None)["scores"]


def test_the_service_selects_and_posts_of_the_selection_give_the_same_images(lab: Lab) -> None:
    asked = ASKED | {"min_condition": 0.99, "seed": 3}
    made = good(lab.http.post("/v1/image-sets", json=asked, headers=WAIT))
    assert (made["state"], made["total"]) == ("done", 6)
    assert made["request"]["classifier"] == "oracle"
    selection = good(lab.http.get(made["links"]["selection"]))
    assert selection["drawn"] == 6 + len(selection["left_out"]) > 6
    assert lab.http.get(made["links"]["left_out"]).content.startswith(b"\x89PNG")
    again = good(lab.http.post("/v1/image-sets", json=selection["request"], headers=WAIT))
    assert again["id"] != made["id"]
    assert again["links"]["selection"] is None
    manifests = [lab.http.get(one["links"]["manifest"]).text.splitlines() for one in (made, again)]
    sums, same_sums = ([json.loads(line)["sha256"] for line in lines] for lines in manifests)
    assert sums == same_sums
    assert lab.http.get(f"{again['links']['self']}/selection.json").status_code == 404
    assert good(lab.http.post("/v1/image-sets", json=asked, headers=WAIT))["id"] == made["id"]


def test_a_job_whose_filter_nothing_passes_says_so(lab: Lab) -> None:
    asked = ASKED | {"conditions": ["WS"], "min_sharpness": 99.0}
    failed = good(lab.http.post("/v1/image-sets", json=asked, headers=WAIT), 202)
    assert failed["state"] == "failed"
    assert "min_sharpness 99 refused 100" in failed["error"]
    refused = lab.http.post("/v1/image-sets", json=ASKED | {"min_age": 0.5, "classifier": "nobody"})
    assert refused.json()["errors"][0]["field"] == "classifier"
