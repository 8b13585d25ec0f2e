"""A generator in an ONNX file makes the images of the checkpoint, and the file says what they are."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from core.errors import CheckpointError, ConfigError
from gen import checkpoint
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.networks import Discriminator
from gen.onnx_export import export_onnx
from tests.gen.inference.test_generator import LABELLED, make_generator

FLAT = GeneratorConfig(16, 8, 16, 2, 256, 16, conv_clamp=0.5)


def run(file: Path, **inputs: npt.NDArray[np.float32]) -> list[Any]:
    runtime = pytest.importorskip("onnxruntime")
    return list(runtime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, inputs))


def draw(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("truncation", [1.0, 0.6])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("config", [LABELLED, FLAT], ids=["labelled", "flat"])
def test_images_are_those_of_the_checkpoint(config: GeneratorConfig, n: int, truncation: float, tmp_path: Path) -> None:
    source = tmp_path / "net.safetensors"
    checkpoint.save(source, make_generator(config))
    export_onnx(source, tmp_path / "net.onnx")
    export_onnx(source, tmp_path / "synthesis.onnx", from_latents=True)
    net, z = checkpoint.load_for_inference(source), draw(n, config.z_dim)
    c = np.abs(draw(n, config.c_dim)) / max(config.c_dim, 1) if config.vocabulary else None
    ws = net.map(z, c, truncation)
    expected = net.synthesize(ws)
    labels = {} if c is None else {"c": c}
    images, latents = run(tmp_path / "net.onnx", z=z, **labels, truncation=np.array(truncation, np.float32))
    np.testing.assert_allclose(latents, ws, atol=1e-4)
    np.testing.assert_allclose(images, expected, atol=1e-4)
    np.testing.assert_allclose(run(tmp_path / "synthesis.onnx", ws=ws)[0], expected, atol=1e-4)
    assert expected.std() > 0.1


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    source, out = tmp_path / "net.safetensors", tmp_path / "new" / "net.onnx"
    checkpoint.save(source, make_generator(), licence="CC0-1.0", origin="phantoms")
    export_onnx(source, out)
    said = {item.key: item.value for item in onnx.load(out).metadata_props}
    assert (said["licence"], said["origin"]) == ("CC0-1.0", "phantoms")
    assert "synthetic" in said["notice"]
    assert "no basis for a diagnosis" in said["notice"]
    assert said["checkpoint_sha256"] == checkpoint.read_info(source).sha256
    assert LABELLED.vocabulary is not None
    assert json.loads(said["conditions"]) == list(LABELLED.vocabulary.conditions)
    assert json.loads(said["ages"]) == [age.name for age in LABELLED.vocabulary.ages]
    assert [file.name for file in out.parent.iterdir()] == ["net.onnx"]


def test_what_cannot_be_exported_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tmp_path / "net.safetensors", tmp_path / "net.onnx"
    with pytest.raises(CheckpointError, match=source.name):
        export_onnx(source, out)
    checkpoint.save(source, Discriminator(DiscriminatorConfig(8, 16, 4)))
    with pytest.raises(CheckpointError, match="discriminator"):
        export_onnx(source, out)
    checkpoint.save(source, make_generator())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r"gestaltgen\[onnx\]"):
        export_onnx(source, out)
    assert not out.exists()
    out.write_bytes(b"kept")
    with pytest.raises(CheckpointError, match=out.name):
        export_onnx(source, out)
    assert out.read_bytes() == b"kept"
