"""The shipped weights: whole, described, and of use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import weights
from core import tensor_files
from core.errors import CheckpointError
from editing.face_editor import EditorFiles, FaceEditor
from editing.latent_editor import TOLERANCE
from faces.images import Pixels, to_tensor
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.phantom_dataset import fresh_phantoms, nth_phantom
from gen import checkpoint
from inversion import inverter_file
from inversion.framing import frame_face
from inversion.quality import read_tuning_limits
from tests.inversion.tiny import tiny_generator


def test_every_shipped_file_is_what_its_manifest_says() -> None:
    folder = weights.default().parent
    assert {path.name for path in folder.glob("*.safetensors")} == set(weights.manifest())
    for name, entry in weights.manifest().items():
        path = weights.find_file(name)
        assert path.stat().st_size <= 20_000_000
        assert tensor_files.sha256(path) == entry["sha256"]
        assert entry["licence"] == "Apache-2.0"
        assert entry["sha256"][:12] in (folder / entry["model_card"]).read_text()


def test_the_default_tells_its_conditions_and_ages() -> None:
    info = checkpoint.read_info(weights.default())
    assert info.vocabulary is not None
    assert set(info.training_counts) == set(info.vocabulary.conditions)
    assert info.images_seen > 0


@torch.inference_mode()
def test_the_portraits_have_one_condition_and_ages_that_show() -> None:
    net = checkpoint.load_generator(weights.find_file("portraits128.safetensors"))
    vocabulary = net.config.vocabulary
    assert vocabulary is not None
    assert vocabulary.conditions == ("unaffected",)
    assert net.config.resolution == 128
    z = torch.randn(8, net.config.z_dim, generator=torch.Generator().manual_seed(0))
    infant, old = (
        net(z, vocabulary.encode("unaffected", age).expand(len(z), -1), truncation=0.6)
        for age in ("infant", "older_adult")
    )
    assert (infant - old).abs().mean() > 0.05
    assert infant.std(dim=0).mean() > 0.1


@torch.inference_mode()
def test_the_label_steers_the_default() -> None:
    """The same people as infants and as older adults differ; so do different people."""
    net = checkpoint.load_generator(weights.default())
    vocabulary = net.config.vocabulary
    assert vocabulary is not None
    z = torch.randn(8, net.config.z_dim, generator=torch.Generator().manual_seed(0))

    def images(condition: str, age: str) -> torch.Tensor:
        return net(z, vocabulary.encode(condition, age).expand(len(z), -1), truncation=0.6)

    infant, old = images("unaffected", "infant"), images("unaffected", "older_adult")
    assert (infant - old).abs().mean() > 0.05
    assert infant.std(dim=0).mean() > 0.1


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = weights.DEFAULT
    whole = weights.default().read_bytes()
    (tmp_path / "manifest.json").write_text((weights.default().parent / "manifest.json").read_text())
    monkeypatch.setattr(weights, "find_folder", lambda: tmp_path)
    with pytest.raises(CheckpointError, match=name):
        weights.default()
    (tmp_path / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=name):
        weights.default()
    with pytest.raises(CheckpointError, match=r"big\.safetensors"):
        weights.find_file("big.safetensors")


@torch.inference_mode()
def test_the_shipped_inverter_reproduces_faces_it_has_not_seen() -> None:
    net = checkpoint.load_generator(weights.default())
    path = weights.companion(weights.default(), "inverter")
    assert path is not None
    inverter = inverter_file.load(path, net)
    faces = to_tensor(np.concatenate(list(fresh_phantoms(6, 128, 706))))
    encoded, refined = (inverter.invert(faces, passes) for passes in (0, 5))
    error = [np.mean([face.l2 for face in found.quality]) for found in (encoded, refined)]
    assert error[1] < 0.5 * error[0]
    assert np.mean([face.ms_ssim for face in refined.quality if face.ms_ssim]) > 0.87
    assert sum(face.verdict == "out of domain" for face in refined.quality) <= 1
    noise = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert inverter.invert(noise).quality[0].verdict == "out of domain"


def test_the_portraits_reproduce_a_photograph_by_tuning(astronaut: Pixels) -> None:
    """Half the usual steps; the verdict needs more."""
    source = weights.find_file("portraits128.safetensors")
    assert read_tuning_limits(source) is not None
    face_editor = FaceEditor.open(EditorFiles(source, **weights.companions(source)), identity=False)
    framed = frame_face(astronaut, face_editor.side, face_editor.detector).face
    found = face_editor.invert_by(exact=True, steps=60)(to_tensor(framed[None]))
    assert found.method == "pti"
    assert found.quality[0].ms_ssim is not None
    assert found.quality[0].ms_ssim > 0.85


def test_what_is_shipped_beside_a_generator_is_known_by_its_content(tmp_path: Path) -> None:
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(weights.default().read_bytes())
    assert weights.companion(copy, "discriminator") == weights.find_file("phantom128-discriminator.safetensors")
    copy.write_bytes(b"other")
    assert weights.companion(copy, "discriminator") is None
    assert weights.companion(tmp_path / "none.safetensors", "inverter") is None


def test_all_that_belongs_to_a_generator_is_found_by_its_role(tmp_path: Path) -> None:
    source = weights.default()
    parts = ("discriminator", "inverter", "directions")
    by_name = {part: weights.find_file(f"phantom128-{part}.safetensors") for part in parts}
    assert weights.companions(source) == by_name | {"oracle": weights.oracle(), "landmarks": weights.landmarks()}
    portraits = weights.companions(weights.find_file("portraits128.safetensors"))
    assert {"discriminator", "directions", "expression"} == set(portraits)
    own = tmp_path / "own.safetensors"
    checkpoint.save(own, tiny_generator(), origin="30 images; 3 images of faces.phantom")
    assert set(weights.companions(own)) == {"oracle", "landmarks"}
    checkpoint.save(own, tiny_generator(), origin="faces.phantom; 3 images of a folder")
    assert weights.companions(own) == {}
    with pytest.raises(CheckpointError, match=r"none\.safetensors"):
        weights.companions(tmp_path / "none.safetensors")


def test_the_directions_make_a_phantom_smile_and_keep_who_it_is() -> None:
    source = weights.default()
    face_editor = FaceEditor.open(EditorFiles(source, **weights.companions(source)))
    assert face_editor.known is not None
    for name, direction in face_editor.known.directions.items():
        assert direction.accuracy >= 0.95, name
        assert not direction.flags
    arrived, kept = [], []
    for index in (0, 6, 13, 19):
        face = face_editor.invert(to_tensor(draw_phantom(nth_phantom(710, index), 128).image))
        for target in (0.25, 0.75):
            edit = face_editor.editor.to_smile(face, face_editor.direction("smile"), target)
            arrived.append(abs(edit.smile[1] - target) <= TOLERANCE)
            kept.append(edit.identity < 0.5 and edit.condition_kept)
    assert sum(arrived) >= 7
    assert sum(kept) >= 7


@pytest.mark.parametrize("name", weights.GENERATORS)
@pytest.mark.parametrize("way", ["rendered", "layer by layer", "layer by layer, folded"])
def test_bfloat16_costs_no_image_of_a_shipped_generator_more_than_rounding(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PSNR against float32 of at least 45 dB, worst image included; with gradients layers are computed one by one, as
    GPUs always do, where filters are folded into kernels in half precision."""
    if way == "layer by layer, folded":
        monkeypatch.setattr("gen.layers.folds_low_pass", lambda x: x.dtype != torch.float32)
    net = checkpoint.load_generator(weights.find_file(name)).requires_grad_(False)
    vocabulary = net.config.vocabulary
    assert vocabulary is not None
    cells = [(condition, age) for condition in vocabulary.conditions for age in vocabulary.age_names]
    faces = max(8, len(cells)) if way == "rendered" else 8  # layers take many times longer
    c = torch.stack([vocabulary.encode(*cells[at * len(cells) // faces]) for at in range(faces)])
    w = net.map(torch.randn(faces, net.config.z_dim, generator=torch.Generator().manual_seed(0)), c, truncation=0.6)
    with torch.set_grad_enabled(way != "rendered"):
        exact, fast = (
            torch.cat([net.synthesize(part, dtype=dtype) for part in w.split(8)]).clamp(-1, 1)
            for dtype in (torch.float32, torch.bfloat16)
        )
    error = (exact - fast).square().mean(dim=(1, 2, 3))
    assert (error > 0).all()
    assert (10 * torch.log10(4 / error)).min() >= 45
