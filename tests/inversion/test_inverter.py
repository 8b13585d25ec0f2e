from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import tensor_files
from core.errors import CheckpointError, ConfigError, ImageError
from core.precision import Precision
from gen.config import GeneratorConfig
from gen.conversion_cache import ConversionCache
from gen.kernels.activation import onednn_convolves
from gen.networks import Generator
from inversion.config import EncoderConfig, HypernetworkConfig
from inversion.inverter import Inverter
from inversion.networks.hypernetwork import Hypernetwork
from inversion.result import load, save
from tests.inversion.tiny import ENCODER, HYPERNETWORK, shared_inverter, some_faces, tiny_generator, tiny_inverter


def test_sizes_follow_from_the_generator() -> None:
    faces = some_faces(3)
    inverter = shared_inverter()
    inversion = inverter.invert(faces, passes=2)
    assert inversion.w.shape == (3, inverter.generator.config.num_ws, 16)
    assert {name: tuple(value.shape[1:]) for name, value in inversion.offsets.items()} == dict(
        inverter.generator.kernel_shapes
    )
    assert inversion.reconstruction.shape == (3, 3, 64, 64)
    assert len(inversion.quality) == len(inversion) == 3
    shown = inverter.generator.synthesize(inversion.w, offsets=inversion.offsets).clamp(-1, 1)
    torch.testing.assert_close(inversion.reconstruction, shown, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(256),
        GeneratorConfig(1024, channel_base=32768),
        GeneratorConfig(128, 128, 128, 2, channel_base=2048, channel_max=64),
    ],
    ids=["paper256", "FFHQ-1024", "phantom128"],
)
@pytest.mark.parametrize("head", ["separable", "plain"])
def test_every_generators_kernels_get_offsets(config: GeneratorConfig, head: str) -> None:
    with torch.device("meta"):
        generator = Generator(config)
        hypernetwork = Hypernetwork(HypernetworkConfig(other_head=head), generator.kernel_shapes)  # type: ignore[arg-type]
        offsets = hypernetwork.eval()(torch.zeros(1, 6, 256, 256))
    assert {name: tuple(o.shape) for name, o in offsets.items()} == {
        name: (1, *shape) for name, shape in generator.kernel_shapes.items()
    }
    largest = (config.channels(4), config.channels(4))
    assert all((hypernetwork.head_of(n) == "shared") == (s[:2] == largest) for n, s in generator.kernel_shapes.items())


def test_only_the_layers_that_are_named_get_offsets() -> None:
    names = ("b16.conv1", "b64.conv0")
    inverter = Inverter(tiny_generator(), ENCODER, replace(HYPERNETWORK, layers=names)).eval().requires_grad_(False)
    assert tuple(inverter.invert(some_faces(1), passes=1).offsets) == names
    with pytest.raises(ConfigError, match=r"b128.conv0 are not the generator's; expected some of b4.conv1"):
        Inverter(tiny_generator(), EncoderConfig(32), replace(HYPERNETWORK, layers=("b128.conv0",)))


def test_a_new_hypernetwork_changes_nothing() -> None:
    inverter = Inverter(tiny_generator(), EncoderConfig(32), HYPERNETWORK).eval().requires_grad_(False)
    faces = some_faces(2)
    torch.testing.assert_close(
        inverter.invert(faces, passes=3).reconstruction, inverter.invert(faces, passes=0).reconstruction
    )


def test_a_pass_that_brings_nothing_ends_it_image_by_image() -> None:
    faces = some_faces(6)
    every, gaining = shared_inverter(), tiny_inverter(least_gain=0.0)
    attempts = list(every.refine(faces, every.encode(faces), 4))
    errors = torch.stack([(a.reconstruction - faces).square().mean(dim=(1, 2, 3)) for a in attempts])
    inversion = gaining.invert(faces, passes=4)
    for image, taken in enumerate(inversion.steps):
        assert (errors[1 : taken + 1, image] <= errors[:taken, image]).all()
        assert taken == 4 or errors[taken + 1, image] > errors[taken, image]
        kept = attempts[taken].reconstruction[image].clamp(-1, 1)
        torch.testing.assert_close(inversion.reconstruction[image], kept, atol=1e-5, rtol=0)
    assert len(set(inversion.steps)) > 1, "the images of this test should differ in their passes"
    assert every.invert(faces, passes=4).steps == (4,) * 6


def test_one_face_is_inverted_as_in_a_batch_and_at_any_size() -> None:
    inverter, faces = shared_inverter(), some_faces(3)
    whole = inverter.invert(faces, passes=2)
    alone = inverter.invert(faces[1:2], passes=2)
    torch.testing.assert_close(whole[1].reconstruction, alone.reconstruction, atol=1e-5, rtol=0)
    large = inverter.invert(some_faces(2, side=256), passes=1)
    assert large.reconstruction.shape == (2, 3, 64, 64)


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (torch.zeros(2, 64, 64, 3), r"\(2, 64, 64, 3\); expected \(n, 3, h, h\)"),
        (torch.zeros(0, 3, 64, 64), "n of 1 or more"),
        (torch.full((1, 3, 64, 64), 255.0), r"lie in \[255, 255\]; expected \[-1, 1\]"),
        (torch.full((1, 3, 64, 64), float("nan")), r"lie in \[nan, nan\]"),
    ],
)
def test_what_is_no_face_image_is_refused(images: torch.Tensor, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        shared_inverter().invert(images)


def test_fewer_than_no_passes_are_refused() -> None:
    with pytest.raises(ConfigError, match="-1 passes"):
        shared_inverter().invert(some_faces(1), passes=-1)


@pytest.mark.parametrize("storage", ["float32", "bfloat16"])
def test_a_saved_inversion_comes_back(tmp_path: Path, storage: str) -> None:
    inverter = shared_inverter()
    inversion, path = inverter.invert(some_faces(2), passes=2), tmp_path / "faces.safetensors"
    lost = save(path, inversion, inverter.generator, storage)  # type: ignore[arg-type]
    back = load(path, inverter.generator)
    assert torch.equal(back.w, inversion.w)
    assert (back.quality, back.steps, back.method) == (inversion.quality, inversion.steps, "hyperstyle")
    error = (back.reconstruction - inversion.reconstruction).square().mean().item()
    if storage == "float32":
        assert error == 0
        assert lost == float("inf")
    else:
        assert 10 * torch.log10(torch.tensor(4 / error)).item() == pytest.approx(lost, abs=1e-3)
        assert lost > 45
        save(tmp_path / "large.safetensors", inversion, inverter.generator, "float32")
        assert path.stat().st_size < 0.6 * (tmp_path / "large.safetensors").stat().st_size


def test_an_inversion_of_another_generator_is_refused(tmp_path: Path) -> None:
    inverter, path = shared_inverter(), tmp_path / "faces.safetensors"
    save(path, inverter.invert(some_faces(1), passes=0), inverter.generator)
    with pytest.raises(CheckpointError, match="was made with the generator"):
        load(path, tiny_generator(seed=2))


def test_bfloat16_costs_little_and_is_told(tmp_path: Path) -> None:
    inverter, faces = shared_inverter(), some_faces(3)
    exact, fast = inverter.invert(faces, passes=2), inverter.invert(faces, passes=2, precision="bfloat16")
    assert (exact.precision, fast.precision, fast[1].precision) == ("float32", "bfloat16", "bfloat16")
    kept = (fast.w, fast.reconstruction, *fast.offsets.values())
    assert {tensor.dtype for tensor in kept} == {torch.float32}
    # Where the processor has no instructions for bfloat16, offsets alone are rounded.
    assert torch.equal(exact.w, fast.w) != onednn_convolves(torch.bfloat16)
    assert (exact.w - fast.w).abs().max() < 0.02 * exact.w.abs().max()
    assert 0 < (exact.reconstruction - fast.reconstruction).square().mean() < 1e-3
    assert [face.l2 for face in fast.quality] == pytest.approx([face.l2 for face in exact.quality], rel=0.05)
    path = tmp_path / "faces.safetensors"
    assert save(path, fast, inverter.generator) == float("inf")  # its offsets are values of bfloat16 already
    back = load(path, inverter.generator)
    assert back.precision == "bfloat16"
    assert torch.equal(back.reconstruction, fast.reconstruction)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_inversion_is_that_of_the_layers(monkeypatch: pytest.MonkeyPatch, precision: Precision) -> None:
    inverter, faces = shared_inverter(), some_faces(3)
    inversion = inverter.invert(faces, 3, precision)
    monkeypatch.setattr(ConversionCache, "find", lambda *_: None)
    layers = inverter.invert(faces, 3, precision)
    tolerance = 1e-5 if precision == "float32" else 0.05
    torch.testing.assert_close(inversion.reconstruction, layers.reconstruction, atol=tolerance, rtol=0)
    for name, value in layers.offsets.items():
        torch.testing.assert_close(inversion.offsets[name], value, atol=tolerance * value.abs().max().item(), rtol=0)


@pytest.mark.parametrize(("faster", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_is_settled_before_it_is_told(monkeypatch: pytest.MonkeyPatch, faster: bool, expected: str) -> None:
    monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda: faster)
    assert shared_inverter().invert(some_faces(1), passes=1, precision="auto").precision == expected


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    inverter, path = shared_inverter(), tmp_path / "faces.safetensors"
    with pytest.raises(ConfigError, match="precision is 'float16'; expected one of auto, float32, bfloat16"):
        inverter.invert(some_faces(1), precision="float16")  # type: ignore[arg-type]
    save(path, inverter.invert(some_faces(1), passes=0), inverter.generator)
    tensors, header = tensor_files.read(path)
    tensor_files.write(path, tensors, header | {"precision": "float8"})
    with pytest.raises(CheckpointError, match="was made in 'float8'; expected one of float32, bfloat16"):
        load(path, inverter.generator)


def test_an_inversion_from_before_precisions_were_told_is_of_float32(tmp_path: Path) -> None:
    inverter, path = shared_inverter(), tmp_path / "faces.safetensors"
    inversion = inverter.invert(some_faces(1), passes=1)
    save(path, inversion, inverter.generator, "float32")
    tensors, header = tensor_files.read(path)
    assert header.pop("precision") == "float32"
    tensor_files.write(path, tensors, header)
    back = load(path, inverter.generator)
    assert back.precision == "float32"
    assert torch.equal(back.reconstruction, inversion.reconstruction)
