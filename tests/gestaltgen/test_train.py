"""`gestaltgen train`, through its runner, for a few steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from faces.images import read_image
from faces.synthesise import synthesise
from gen import checkpoint, training
from gestaltgen.cli import app


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty phantoms of 16 px, and a preset of that size."""
    generator, discriminator, config = training.presets()["phantom64"]
    tiny = {"resolution": 16, "channel_base": 128, "channel_max": 8}
    preset = (
        replace(generator, **tiny, z_dim=16, w_dim=16),  # type: ignore[arg-type]
        replace(discriminator, **tiny),  # type: ignore[arg-type]
        replace(config, batch=8),
    )
    monkeypatch.setattr("gestaltgen.train.presets", lambda: {"tiny": preset})
    path = tmp_path / "phantoms.zip"
    synthesise(path, count=60, size=16, seed=0, workers=1)
    return path


def train(data: Path, out: Path, images: int, *extra: str) -> str:
    args = ["train", str(data), "--out", str(out), "--preset", "tiny", "--images", str(images), "--snapshot", "16"]
    result = CliRunner().invoke(app, [*args, *extra], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_run_leaves_a_checkpoint_a_log_and_samples_and_resumes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gen.run.REPORT_IMAGES", 16)
    out = tmp_path / "run"
    assert "16 images" in train(data, out, 32)
    info = checkpoint.read_info(out / "generator.safetensors")
    assert (info.images_seen, info.licence) == (32, "Apache-2.0")
    assert info.training_counts["WS"]["infant"] == 3
    assert read_image(out / "samples" / "000000032.png").std() > 0
    train(data, out, 48)
    assert checkpoint.read_info(out / "generator.safetensors").images_seen == 48
    seen = [json.loads(line)["images_seen"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert seen == [16, 32, 48]


def test_another_configuration_does_not_overwrite_a_run(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(data, out, 16)
    args = ["train", str(data), "--out", str(out), "--preset", "tiny", "--images", "32", "--seed", "1"]
    result = CliRunner().invoke(app, args)
    assert "holds a run with other settings (training)" in result.stderr
    result = CliRunner().invoke(app, ["train", str(data), "--preset", "huge"])
    assert result.exit_code == 2
    assert "unknown preset 'huge'" in " ".join(result.output.replace("│", " ").split())
