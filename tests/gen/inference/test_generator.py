"""Inference computes what the layers compute."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from core.errors import CheckpointError, ConfigError, LabelError
from core.precision import Precision
from faces.images import to_uint8
from gen import checkpoint
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.inference import engine
from gen.inference.engine import Engine
from gen.inference.generator import InferenceGenerator, describe_tensors
from gen.inference.graph import build_synthesis
from gen.inference.operations import FLOAT32_PREFIX
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.torch_inference import convert_generator, synthesize_images

LABELLED = GeneratorConfig(32, 16, 16, 2, 512, 32, Vocabulary(), truncation_centre="label")


def make_generator(config: GeneratorConfig = LABELLED) -> Generator:
    torch.manual_seed(0)
    net = Generator(config).eval().requires_grad_(False)
    for name, parameter in net.named_parameters():
        if name.endswith(("noise_strength", "bias")):
            parameter.add_(torch.randn_like(parameter) / 4)
    net.mapping.w_avg.normal_()
    net.update_label_centres(samples=10)
    return net


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("noise", ["const", "none", "given"])
@pytest.mark.parametrize("clamp", [None, 0.5])
def test_images_are_those_of_the_layers(n: int, noise: str, clamp: float | None) -> None:
    net = make_generator(GeneratorConfig(32, 16, 16, 2, 2048, 72, conv_clamp=clamp))
    ws, chosen = draw(n, net.config.num_ws, net.config.w_dim), noise
    if noise == "given":
        chosen = {name: draw(n, 1, *image.shape) for name, image in net.noise_images.items()}  # type: ignore[assignment]
    expected = net.synthesize(ws, chosen)  # type: ignore[arg-type]
    arrays = chosen if isinstance(chosen, str) else {name: image.numpy() for name, image in chosen.items()}
    inference = convert_generator(net)
    np.testing.assert_allclose(inference.synthesize(ws.numpy(), arrays), expected, atol=2e-5, rtol=1e-5)  # type: ignore[arg-type]
    pixels = inference.render(ws.numpy(), arrays)  # type: ignore[arg-type]
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - to_uint8(expected)).max() <= 1
    assert pixels.std() > 10


def test_the_engine_computes_in_parts_on_any_number_of_cores() -> None:
    net = make_generator()
    ws = draw(7, net.config.num_ws, net.config.w_dim)
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    for threads in (1, 2, 3):
        images = InferenceGenerator(arrays, net.config, threads).synthesize(ws.numpy())
        np.testing.assert_allclose(images, net.synthesize(ws), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_image_does_not_depend_on_its_batch(precision: Precision) -> None:
    inference = convert_generator(make_generator())
    ws = draw(9, LABELLED.num_ws, LABELLED.w_dim).numpy()
    together = inference.render(ws, precision=precision)
    alone = np.concatenate([inference.render(ws[i : i + 1], precision=precision) for i in range(9)])
    assert np.abs(together.astype(int) - alone).max() <= (1 if precision == "float32" else 4)


@pytest.mark.parametrize("config", [LABELLED, GeneratorConfig(16, 16, 8, 3, 256, 32)])
@pytest.mark.parametrize("truncation", [1.0, 0.6])
def test_latents_are_those_of_the_layers(config: GeneratorConfig, truncation: float) -> None:
    net = make_generator(config)
    z = draw(6, config.z_dim)
    c = torch.softmax(draw(6, config.c_dim, seed=1), dim=1) if config.vocabulary else None
    expected = net.map(z, c, truncation)
    got = convert_generator(net).map(z.numpy(), None if c is None else c.numpy(), truncation)
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_kernels_of_their_own() -> None:
    net = make_generator()
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    offsets = {name: draw(3, *shape) / 4 for name, shape in list(net.kernel_shapes.items())[1:]}
    ws = draw(3, net.config.num_ws, net.config.w_dim)
    work = Engine(lambda: build_synthesis(arrays, net.config, kernel_offsets=offsets), part=1)
    images = work.run({"ws": ws.numpy(), **{f"offset.{name}": offset.numpy() for name, offset in offsets.items()}})
    np.testing.assert_allclose(images, net.synthesize(ws, offsets=offsets), atol=2e-5, rtol=1e-5)


def test_frozen_networks_are_converted_to_render_with_offsets_in_any_order_of_memory() -> None:
    net = make_generator()
    offsets = {
        name: draw(3, *shape).contiguous(memory_format=torch.channels_last_3d) / 4
        for name, shape in net.kernel_shapes.items()
    }
    ws = draw(3, net.config.num_ws, net.config.w_dim)
    expected = net.synthesize(ws, offsets=offsets)
    for _ in range(3):
        torch.testing.assert_close(synthesize_images(net, ws, offsets=offsets), expected, atol=2e-5, rtol=1e-5)
    net.synthesis.b16.conv1.weight.mul_(-1)
    changed = synthesize_images(net, ws)
    torch.testing.assert_close(changed, net.synthesize(ws), atol=2e-5, rtol=1e-5)
    with pytest.raises(ConfigError, match=r"b4\.conv0"):
        synthesize_images(net, ws, offsets={"b4.conv0": ws})
    with pytest.raises(ConfigError, match=r"\(1, 2, 3, 3\)"):
        synthesize_images(net, ws, offsets={"b4.conv1": torch.zeros(1, 2, 3, 3)})


def test_styles_and_picture_keep_float32_in_bfloat16() -> None:
    net = make_generator()
    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    operations = engine.keep_float32(build_synthesis(arrays, net.config)).get_ops()
    kept = {operation for operation in operations if "DisablePrecisionConversion_0" in dict(operation.get_rt_info())}
    assert kept == {operation for operation in operations if operation.get_friendly_name().startswith(FLOAT32_PREFIX)}
    convolutions = [operation for operation in operations if operation.get_type_name() == "Convolution"]
    # One for each block's picture, two for each convolution's styles; the large ones are computed in bfloat16.
    assert [operation in kept for operation in convolutions].count(False) == len(net.config.block_resolutions)


def test_checkpoints_are_rendered_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    net = make_generator()
    checkpoint.save(tmp_path / "net.safetensors", net)
    ws = draw(2, net.config.num_ws, net.config.w_dim)
    images = checkpoint.load_for_inference(tmp_path / "net.safetensors").synthesize(ws.numpy())
    np.testing.assert_allclose(images, net.synthesize(ws), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "config", [LABELLED, GeneratorConfig(16, 15, 8, 0, 256, 32, Vocabulary()), GeneratorConfig(64)]
)
def test_tensors_are_described_as_the_network_has_them(config: GeneratorConfig) -> None:
    with torch.device("meta"):
        net = Generator(config)
    assert describe_tensors(config) == {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    inference = convert_generator(make_generator())
    with pytest.raises(ConfigError, match="8, 16"):
        inference.synthesize(np.zeros((1, 3, 16), np.float32))
    with pytest.raises(LabelError):
        inference.map(np.zeros((1, 16), np.float32), None)
    checkpoint.save(tmp_path / "judge.safetensors", Discriminator(DiscriminatorConfig(16, 64, 8)))
    with pytest.raises(CheckpointError, match="discriminator"):
        checkpoint.load_for_inference(tmp_path / "judge.safetensors")
    with pytest.raises(CheckpointError, match=r"missing\.safetensors"):
        checkpoint.load_for_inference(tmp_path / "missing.safetensors")
