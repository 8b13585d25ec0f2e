"""Reports of explained faces: files, resuming, broken faces, masks of phantoms, activations, the command."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.errors import ConfigError
from faces.datasets.dataset import Dataset
from faces.phantoms.phantom_dataset import synthesise
from gestaltgen.cli.main import app
from recognition.classifier import Classifier
from recognition.config import ClassifierTrainingConfig
from recognition.explanation import METHODS
from recognition.explanation.reports.face_masks import find_phantom
from recognition.explanation.reports.face_page import FILES
from recognition.explanation.reports.face_report import FaceReportOptions, choose_rows, explain_dataset
from recognition.explanation.saliency.activations import average_activations
from recognition.images.leakage import TrainingRecord
from recognition.networks.architectures import build

OPTIONS = FaceReportOptions(methods=("gradcam", "gradient"), faces=3, activations=True)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "faces"
    synthesise(path, count=6, size=64, seed=0)
    return path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, phantoms: Path) -> Path:
    path = tmp_path_factory.mktemp("run") / "classifier.safetensors"
    classes = Dataset.open(phantoms).conditions
    config = ClassifierTrainingConfig(network="small", size=64)
    record = TrainingRecord("classifier", frozenset())
    Classifier(build("small", len(classes), 64).eval(), classes, config, record).save(path)
    return path


def test_a_report_has_tables_pictures_and_a_page_and_goes_on(phantoms: Path, classifier: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    report = explain_dataset(classifier, phantoms, out, OPTIONS)
    assert {file.name for file in out.iterdir()} >= set(FILES)
    assert len(report["faces"]) == 3
    for face in report["faces"]:
        assert face["masks"] == "true regions of the phantom"
        assert {"face", "regions", "gradcam", "gradient"} < set(face["pictures"])
        assert all((out / file).exists() for file in face["pictures"].values())
        with np.load(out / "faces" / f"{face['row']:06d}" / "maps.npz") as maps:
            assert {*maps.files} == {"gradcam", "gradient"}
            assert maps["gradient"].ndim == 2
            assert maps["gradient"].max() > 0
    rows = list(csv.DictReader((out / "relevance.csv").read_text().splitlines()))
    assert {row["method"] for row in rows} == {"gradcam", "gradient"}
    assert {"eyes", "mouth", "outside"} < {row["region"] for row in rows}
    # A face that is done is not done again, and one that is not is.
    first, second = (out / "faces" / f"{row:06d}" / "face.json" for row in choose_rows(Dataset.open(phantoms), 2))
    times = first.stat().st_mtime_ns
    second.unlink()
    assert explain_dataset(classifier, phantoms, out, OPTIONS) == report
    assert first.stat().st_mtime_ns == times
    with pytest.raises(ConfigError):
        explain_dataset(classifier, phantoms, out, replace(OPTIONS, methods=("gradient",)))


def test_a_folder_knows_its_classifier_by_content(phantoms: Path, classifier: Path, tmp_path: Path) -> None:
    options = FaceReportOptions(methods=("all",), faces=1)
    report = explain_dataset(classifier, phantoms, tmp_path / "out", options)
    assert list(report["faces"][0]["methods"]) == list(METHODS)
    moved = tmp_path / "moved.safetensors"
    shutil.copy(classifier, moved)
    assert explain_dataset(moved, phantoms, tmp_path / "out", options)["faces"] == report["faces"]
    changed = Classifier.open(classifier)
    changed.network.head.bias.data += 1
    changed.save(moved)
    with pytest.raises(ConfigError):
        explain_dataset(moved, phantoms, tmp_path / "out", options)


def test_a_broken_face_is_named_and_the_others_are_explained(phantoms: Path, classifier: Path, tmp_path: Path) -> None:
    broken = tmp_path / "faces"
    shutil.copytree(phantoms, broken)
    name = Dataset.open(phantoms).record(1).file
    (broken / name).write_bytes(b"no picture")
    result = CliRunner().invoke(
        app, ["explain", "faces", str(classifier), str(broken), "--out", str(tmp_path / "out"), "--method", "gradient"]
    )
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [one["file"] for one in report["skipped"]] == [name]
    assert len(report["faces"]) == 5


def test_a_phantom_is_recognised_only_by_its_own_pixels(phantoms: Path) -> None:
    faces = Dataset.open(phantoms)
    pixels = faces.image(0)
    assert find_phantom(faces.record(0), pixels) is not None
    assert find_phantom(faces.record(0), 255 - pixels) is None
    assert find_phantom(replace(faces.record(0), source="elsewhere"), pixels) is None


def test_activations_are_averaged_at_each_resolution() -> None:
    layers = average_activations(build("small", 2, 64).eval(), torch.zeros(2, 3, 64, 64))
    assert [maps.shape[-1] for maps in layers.values()] == [32, 16, 8, 4]
    assert all(maps.shape[0] == 2 for maps in layers.values())
