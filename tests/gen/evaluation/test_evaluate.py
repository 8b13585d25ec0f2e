"""`gestaltgen evaluate`, through its runner, with tiny networks and a tiny data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from core.precision import resolve_precision
from faces.datasets.dataset import DatasetWriter
from faces.datasets.records import Record
from faces.images import read_image
from faces.oracle import attribute_network as oracle_file
from faces.oracle.attribute_network import Oracle, OracleConfig
from faces.phantoms.phantom_dataset import synthesise
from gen import checkpoint
from gen.config import GeneratorConfig
from gen.evaluation.evaluation import Evaluation
from gen.evaluation.experiments import EVALUATION_SEED
from gen.evaluation.report import TARGETS
from gen.labels import Vocabulary
from gen.networks import Generator
from gestaltgen.cli.main import app
from tests.gen.fixtures import generator_32


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator, an untrained oracle and 40 phantoms; a run with two snapshots."""
    folder = tmp_path_factory.mktemp("evaluate")
    checkpoint.save(folder / "generator.safetensors", generator_32(), origin="parity fixture", images_seen=5)
    torch.manual_seed(0)
    oracle = Oracle(OracleConfig(widths=(4, 4, 4, 4), features=6)).eval()
    oracle_file.save(folder / "oracle.safetensors", oracle, figures={"condition_accuracy": 0.25}, origin="a test")
    synthesise(folder / "phantoms.zip", count=40, size=32, seed=1)
    checkpoint.save(folder / "run" / "kept" / "000001000.safetensors", generator_32(), images_seen=1_000)
    checkpoint.save(folder / "run" / "generator.safetensors", generator_32(), images_seen=2_000)
    return folder


def evaluate(
    files: Path, out: Path, *extra: str, weights: str = "generator.safetensors", data: str = "phantoms.zip"
) -> str:
    args = ["evaluate", str(files / weights), "--data", str(files / data), "--out", str(out)]
    args += ["--oracle", str(files / "oracle.safetensors"), "--count", "40", "--faces", "1", *extra]
    result = CliRunner().invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_phantoms_get_every_figure(files: Path, tmp_path: Path) -> None:
    text = evaluate(files, tmp_path / "out", "--run", str(files / "run"))
    found: dict[str, Any] = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["about"]["seed"] == EVALUATION_SEED
    assert found["about"]["options"]["precision"] == resolve_precision("auto", "cpu")
    assert found["about"]["weights"]["sha256"] == checkpoint.read_info(files / "generator.safetensors").sha256
    assert found["about"]["oracle"]["figures"] == {"condition_accuracy": 0.25}
    assert found["left_out"] == {}
    assert set(found["truncations"]) == {"0.6", "1.0"}
    for figures in found["truncations"].values():
        assert sum(map(sum, figures["labelled"]["condition"]["confusion"])) == 40
        assert figures["progressions"]["people"] == 8
        assert figures["blends"]["people"] == 60
        assert figures["faces"]["searched"] == 1
        assert figures["distances"]["oracle"]["real"] == 40
        assert len(figures["spread"]["ratio"]) == 20
        assert set(figures["neighbours"]) == {"oracle features", "pixels"}
    targets = [(verdict["figure"], verdict["truncation"]) for verdict in found["targets"]]
    assert targets == [(target.name, psi) for target in TARGETS for psi in target.truncations]
    assert {verdict["met"] for verdict in found["targets"]} <= {True, False}
    assert [seen for seen, _ in found["frechet_over_images_seen"]] == [1_000, 2_000]
    assert len({distance for _, distance in found["frechet_over_images_seen"]}) == 1  # the same weights twice
    assert read_image(tmp_path / "out" / "evaluation.png").std() > 10
    assert read_image(tmp_path / "out" / "neighbours.png").std() > 10
    assert "condition accuracy" in text
    assert "of 8 targets met" in text
    assert "no basis for a diagnosis" in text


def test_the_same_command_gives_the_same_figures(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gen.evaluation.evaluation.page", lambda report: b"")  # drawn in the test above
    found = []
    for name in ("one", "two"):
        evaluate(files, tmp_path / name, "--truncation", "0.8", "--seed", "3")
        report = json.loads((tmp_path / name / "evaluation.json").read_text())
        del report["about"]["made"]
        found.append(report)
    assert found[0] == found[1]
    assert set(found[0]["truncations"]) == {"0.8"}
    assert found[0]["targets"] == []


def test_photographs_leave_out_what_the_oracle_cannot_read(files: Path, tmp_path: Path) -> None:
    """One condition, ages mostly unknown: distances on dlib's descriptors would find no face in noise, so the
    oracle's features are asked for by name."""
    vocabulary = Vocabulary(("unaffected",))
    torch.manual_seed(0)
    net = Generator(GeneratorConfig(16, 8, 8, 1, channel_base=64, channel_max=8, vocabulary=vocabulary))
    checkpoint.save(tmp_path / "portraits.safetensors", net)
    rng = np.random.default_rng(0)
    with DatasetWriter(tmp_path / "photos.zip", conditions=("unaffected",)) as writer:
        for index in range(12):
            image = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            writer.add(image, Record(condition="unaffected", age_group="child" if index == 0 else None))
    (tmp_path / "held-out.txt").write_text("# not trained on\nimg00000003.png\nimg00000004.png\n")
    text = evaluate(
        tmp_path,
        tmp_path / "out",
        "--exclude",
        str(tmp_path / "held-out.txt"),
        "--oracle",
        str(files / "oracle.safetensors"),
        "--features",
        "oracle",
        "--truncation",
        "1",
        weights="portraits.safetensors",
        data="photos.zip",
    )
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["about"]["data"]["phantoms"] is False
    assert set(found["left_out"]) == {"condition", "age group", "blends", "identity"}
    figures = found["truncations"]["1.0"]
    assert figures["labelled"] == {"condition": None, "age_group": None, "years": []}
    assert figures["blends"] is None
    assert figures["spread"] is None
    assert figures["progressions"]["order"] is None
    assert figures["distances"]["oracle"]["real"] == 10
    assert found["about"]["held_out"] == "2 images of photos.zip"
    measured = [verdict["figure"] for verdict in found["targets"] if verdict["met"] is not None]
    assert measured == []  # only the search for faces makes sense here, and its target stands at 0.6
    assert "not measured: condition: the oracle reads phantoms only" in text
    assert read_image(tmp_path / "out" / "evaluation.png").std() > 10


def test_what_cannot_be_evaluated_is_refused_before_anything_is_measured(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    base = ["evaluate", str(files / "generator.safetensors"), "--out", str(out), "--count", "40", "--faces", "1"]
    base += ["--oracle", str(files / "oracle.safetensors")]
    with DatasetWriter(tmp_path / "other.zip", conditions=("XY",)) as writer:
        writer.add(np.zeros((16, 16, 3), dtype=np.uint8))
    (tmp_path / "nobody.txt").write_text("nobody.png")
    monkeypatch.setattr(Evaluation, "figures", lambda evaluation: pytest.fail("it was measured"))
    for extra, told in (
        (["--data", str(tmp_path / "absent.zip")], "absent.zip"),
        (["--data", str(tmp_path / "other.zip")], "XY"),
        (["--data", str(files / "phantoms.zip"), "--run", str(tmp_path)], str(tmp_path)),
        (["--data", str(files / "phantoms.zip"), "--exclude", str(tmp_path / "nobody.txt")], "0 of the 40"),
        (["--data", str(files / "phantoms.zip"), "--oracle", str(files / "generator.safetensors")], "generator.safet"),
        (["--data", str(files / "phantoms.zip"), "--inception", str(tmp_path / "absent.pth")], "absent.pth"),
    ):
        result = CliRunner().invoke(app, [*base, *extra])
        assert result.exit_code == 1, extra
        assert told in result.stderr
    result = CliRunner().invoke(app, [*base, "--data", str(files / "phantoms.zip"), "--truncation", "1.5"])
    assert result.exit_code == 2
    assert not out.exists()
