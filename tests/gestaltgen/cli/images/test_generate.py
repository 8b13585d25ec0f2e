"""`gestaltgen generate`, through its runner, with a tiny generator."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.image_sets.rendering import finish_chunk
from api.provenance.marks import read_claim
from faces.images import read_image
from gen import checkpoint
from gestaltgen.cli.main import app
from tests.gen.fixtures import generator_32


@pytest.fixture
def weights(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "tiny.safetensors"
    checkpoint.save(path, generator_32(), origin="parity fixture", licence="Apache-2.0")
    return path


def generate(weights: Path, out: Path, *extra: str) -> str:
    args = ["generate", "age_progression", "--weights", str(weights), "--out", str(out), "--condition", "WS", *extra]
    result = CliRunner().invoke(app, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_set_comes_with_manifest_shard_and_sheet(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    text = generate(weights, out, "--count", "2", "--paper", "a4")
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [line["age_group"] for line in lines[:2]] == ["infant", "child"]
    for line in lines:
        png = (out / line["file"]).read_bytes()
        assert sha256(png).hexdigest() == line["sha256"]
        assert read_image(png).shape == (32, 32, 3)
    with tarfile.open(out / "shards" / "000000.tar") as tar:
        assert len(tar.getnames()) == 3 * len(lines) == 30
    assert read_image(out / "sheet.png").std() > 0
    assert (out / "sheet.pdf").read_bytes().startswith(b"%PDF-")
    metadata = json.loads((out / "croissant.json").read_text())
    assert metadata["distribution"][1]["sha256"] == sha256((out / "manifest.jsonl").read_bytes()).hexdigest()
    assert "OMIM:194050" in (out / "README.md").read_text()
    assert "10 images" in text
    assert "no basis for a diagnosis" in " ".join(text.split())
    assert {path.name for path in tmp_path.iterdir()} == {"set", "tiny.safetensors"}


def test_the_same_request_finds_its_set_and_another_is_refused(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    generate(weights, out, "--person", "5")
    before = (out / "manifest.jsonl").stat().st_mtime_ns
    generate(weights, out, "--person", "5")
    assert (out / "manifest.jsonl").stat().st_mtime_ns == before
    args = ["generate", "unrelated", "--count", "1", "--weights", str(weights), "--out", str(out)]
    result = CliRunner().invoke(app, args)
    assert result.exit_code == 1
    assert str(out) in result.stderr
    assert "--out" in result.stderr


def test_a_stopped_run_goes_on_where_it_was(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, made = tmp_path / "set", []

    def stopping(*args: object) -> int:
        if made:
            raise KeyboardInterrupt
        made.append(args)
        return finish_chunk(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("api.image_sets.rendering.finish_chunk", stopping)
    args = ["generate", "age_related", "--weights", str(weights), "--out", str(out), "--condition", "WS"]
    args += ["--count", "14"]
    assert CliRunner().invoke(app, args).exit_code != 0
    assert not out.exists()
    monkeypatch.undo()
    assert CliRunner().invoke(app, args, catch_exceptions=False).exit_code == 0
    whole = tmp_path / "whole"
    args[args.index(str(out))] = str(whole)
    CliRunner().invoke(app, args, catch_exceptions=False)
    assert (out / "manifest.jsonl").read_bytes() == (whole / "manifest.jsonl").read_bytes()


def test_total_images_is_the_equivalent_count(weights: Path, tmp_path: Path) -> None:
    generate(weights, tmp_path / "total", "--total-images", "10")
    generate(weights, tmp_path / "count", "--count", "2")
    requests = [json.loads((tmp_path / name / "request.json").read_text()) for name in ("total", "count")]
    assert requests[0]["id"] == requests[1]["id"]
    assert requests[0]["resolved"] == requests[1]["resolved"]
    for name in ("manifest.jsonl", "sheet.png"):
        assert (tmp_path / "total" / name).read_bytes() == (tmp_path / "count" / name).read_bytes()


def test_a_tile_sets_the_size_of_the_images_on_the_sheet(weights: Path, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    generate(weights, small, "--person", "5", "--tile", "64")
    generate(weights, large, "--person", "5", "--tile", "256")
    heights = [read_image(out / "sheet.png").shape[0] for out in (small, large)]
    assert heights[1] - heights[0] >= 256 - 64


@pytest.mark.parametrize(("faster", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_precision_follows_the_hardware_and_is_told_everywhere(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster: bool, expected: str
) -> None:
    monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda: faster)
    generate(weights, tmp_path / "set", "--person", "5", "--age", "child")
    (line,) = [json.loads(line) for line in (tmp_path / "set" / "manifest.jsonl").read_text().splitlines()]
    assert line["precision"] == expected
    request = json.loads((tmp_path / "set" / "request.json").read_text())
    assert request["resolved"]["precision"] == request["asked"]["precision"] == expected
    claim = read_claim((tmp_path / "set" / line["file"]).read_bytes())
    assert claim is not None
    assert claim.what["precision"] == expected
    generate(weights, tmp_path / "named", "--person", "5", "--age", "child", "--precision", expected)
    assert json.loads((tmp_path / "named" / "request.json").read_text())["id"] == request["id"]


@pytest.mark.parametrize(
    "command",
    [
        ["generate", "average"],
        ["evaluate", "--data", "x.zip"],
        ["invert", "x.png"],
        ["evaluate-inversion", "x.safetensors"],
        ["edit", "x.png", "--smile", "0"],
        ["stimuli", "x.png"],
    ],
)
def test_an_unknown_precision_is_refused(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--precision", "float16"], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert all(named in said for named in ("'--precision'", "'float16'", "auto", "float32", "bfloat16"))
