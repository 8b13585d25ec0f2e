"""Any kind of file in, by its first bytes, with an account of every tensor."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from core.errors import CheckpointError
from gen import checkpoint
from gen.config import GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.published.importing import contents, read_weights
from gen.published.shapes import config_from_shapes
from tests.gen.fixtures import D32, G32, discriminator_32, fixture, generator_32, published_tensors, randomised
from tests.gen.published.rosinality_files import discriminator_tensors, generator_tensors
from tests.gen.published.stylegan2_ada_files import (
    discriminator_kwargs,
    generator_kwargs,
    module,
    write_stylegan2_ada_pickle,
)

G, D = replace(G32, vocabulary=None), replace(D32, vocabulary=None)
FIR = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def pickled(path: Path) -> Path:
    g = {**published_tensors("generator_cond_32"), "synthesis.b8.resample_filter": FIR}
    return write_stylegan2_ada_pickle(
        path,
        {
            "G_ema": module("Generator", generator_kwargs(G32), g),
            "D": module("Discriminator", discriminator_kwargs(D32), published_tensors("discriminator_cond_32")),
        },
    )


@torch.no_grad()
def test_a_stylegan2_ada_pickle(tmp_path: Path) -> None:
    path = pickled(tmp_path / "anything")
    held = contents(path)
    assert list(held.parts) == ["D", "G_ema"]
    got = read_weights(path, vocabulary=Vocabulary())
    f = fixture("generator_cond_32")
    assert (got.net(f["z"], f["c"]) - f["image_const"]).abs().max() < 2e-4
    where = {placed.name: (placed.destination, placed.note) for placed in got.placements}
    assert set(where) == {*published_tensors("generator_cond_32"), "synthesis.b8.resample_filter"}
    assert where["synthesis.b8.resample_filter"] == ("", "constant, built in")
    assert where["mapping.embed.weight"] == ("mapping.embed.condition_weight, mapping.embed.age_weight", "split")
    assert where["mapping.fc0.bias"] == ("mapping.fc0.bias", "")
    assert got.left_out == (
        f"D: {held.parts['D']}",
        "training_set_kwargs: no network",
        "augment_pipe: no network",
    )
    d = fixture("discriminator_cond_32")
    judge = read_weights(path, "D", vocabulary=Vocabulary()).net
    assert (judge(d["image"], d["c"]) - d["logits"]).abs().max() < 1e-4


def test_what_the_file_says_is_not_said_again(tmp_path: Path) -> None:
    path = pickled(tmp_path / "n.pkl")
    with pytest.raises(CheckpointError, match="has its own conv_clamp; leave the option out"):
        read_weights(path, vocabulary=Vocabulary(), conv_clamp=256)
    with pytest.raises(CheckpointError, match="has no part 'G'; expected one of D, G_ema"):
        read_weights(path, "G")
    ours = tmp_path / "ours.safetensors"
    checkpoint.save(ours, generator_32())
    with pytest.raises(CheckpointError, match="with its own vocabulary; leave the option out"):
        read_weights(ours, vocabulary=Vocabulary())


def test_another_filter_is_refused(tmp_path: Path) -> None:
    g = {**published_tensors("generator_cond_32"), "synthesis.b8.resample_filter": torch.ones(4, 4)}
    path = write_stylegan2_ada_pickle(tmp_path / "n.pkl", {"G_ema": module("Generator", generator_kwargs(G32), g)})
    with pytest.raises(
        CheckpointError, match=r"synthesis.b8.resample_filter is not the low-pass filter \[1, 3, 3, 1\]"
    ):
        read_weights(path, vocabulary=Vocabulary())


def test_an_embedding_that_is_not_split_is_refused_by_name(tmp_path: Path) -> None:
    g = {**published_tensors("generator_cond_32"), "mapping.embed.weight": torch.ones(64, 9)}
    path = write_stylegan2_ada_pickle(tmp_path / "n.pkl", {"G_ema": module("Generator", generator_kwargs(G32), g)})
    with pytest.raises(CheckpointError, match=r"n.pkl: mapping.embed.weight has 288 non-zero values outside"):
        read_weights(path, vocabulary=Vocabulary())


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    g = {**published_tensors("generator_cond_32"), "mapping.fc1.bias": torch.full((64,), float("nan"))}
    path = write_stylegan2_ada_pickle(tmp_path / "n.pkl", {"G_ema": module("Generator", generator_kwargs(G32), g)})
    with pytest.raises(CheckpointError, match=r"mapping.fc1.bias has values that are not finite"):
        read_weights(path, vocabulary=Vocabulary())


def test_a_network_much_larger_than_its_tensors_is_not_made(tmp_path: Path) -> None:
    kwargs = generator_kwargs(replace(G32, resolution=2048, channel_base=2**16, channel_max=2**16))
    path = write_stylegan2_ada_pickle(
        tmp_path / "n.pkl", {"G_ema": module("Generator", kwargs, {"mapping.w_avg": torch.zeros(64)})}
    )
    with pytest.raises(CheckpointError, match=r"missing synthesis.b2048.conv0.weight"):
        read_weights(path, vocabulary=Vocabulary())


@torch.no_grad()
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pytorch_file_of_rosinalitys_training(tmp_path: Path, zipped: bool) -> None:
    g, d = randomised(Generator(G)), randomised(Discriminator(D))
    content = {
        "g_ema": generator_tensors(g),
        "g": generator_tensors(g),
        "d": discriminator_tensors(d),
        "latent_avg": g.mapping.w_avg,
        "args": argparse.Namespace(size=32),
        "d_optim": {"state": {}},
    }
    path = tmp_path / "000100.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert list(contents(path).parts) == ["G_ema", "G", "D"]
    got = read_weights(path)
    assert got.net.config == G
    z = torch.randn(2, 64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(got.net(z, truncation=0.5), g(z, truncation=0.5))  # type: ignore[call-arg]
    assert set(got.left_out[-2:]) == {"args: no network", "d_optim: no network"}
    assert got.notes == ("the file does not tell the limit of the layers' output (conv_clamp): none is set",)
    judge = read_weights(path, "D", conv_clamp=256).net
    assert judge.config == replace(D, conv_clamp=256, mapping_layers=8)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(judge(images), d(images), atol=1e-5)


@torch.no_grad()
def test_the_decoder_of_a_hyperstyle_file(tmp_path: Path) -> None:
    g = randomised(Generator(G))
    state = {f"decoder.{name}": value for name, value in generator_tensors(g).items()}
    content = {
        "state_dict": {**state, "hypernet.conv1.weight": torch.zeros(2), "hypernet.bn1.weight": torch.zeros(2)},
        "latent_avg": g.mapping.w_avg.expand(8, -1).clone(),
        "opts": {"output_size": 32},
    }
    path = tmp_path / "hyperstyle.pt"
    torch.save(content, path)
    got = read_weights(path)
    assert torch.equal(got.net.state_dict()["mapping.w_avg"], g.mapping.w_avg)
    assert got.left_out == ("hypernet: 2 tensors of another network", "opts: no network")
    torch.save(state, path)
    assert "measured over 10,000 random vectors" in read_weights(path).notes[-1]


class Evil:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pytorch_file_is_refused_by_name(tmp_path: Path, zipped: bool) -> None:
    path, sentinel = tmp_path / "evil.pt", tmp_path / "sentinel"
    torch.save({"g_ema": Evil(f"touch {sentinel}")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"evil.pt asks for 'posix.system': refused"):
        read_weights(path)
    assert not sentinel.exists()


def test_broken_pytorch_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.pt"
    for content, message in (
        ([1], "holds a list; expected a dict"),
        ({"args": 1}, "holds no network"),
        ({"g_ema": {"a": 1}}, "'a' of g_ema is a int; expected tensors"),
        ({"input.input": torch.zeros(1, 4, 4, 4)}, "these are not the tensors of a StyleGAN2 network"),
        ({"a": torch.zeros(1)}, "these are not the tensors of a StyleGAN2 network"),
    ):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            read_weights(path)
    for zipped in (True, False):
        torch.save({"g": torch.zeros(1000)}, path, _use_new_zipfile_serialization=zipped)
        path.write_bytes(path.read_bytes()[:600])
        with pytest.raises(CheckpointError, match=r"n.pt is not a PyTorch file, or is damaged"):
            read_weights(path)


@torch.no_grad()
def test_safetensors_with_published_names_and_ours(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file(published_tensors("generator_cond_32"), path)
    with pytest.raises(CheckpointError, match="the labels have 9 columns and the vocabulary has 0"):
        read_weights(path)
    got = read_weights(path, vocabulary=Vocabulary(), conv_clamp=1.0)
    f, clamped = fixture("generator_cond_32"), fixture("clamp_32")
    assert got.net.config == replace(G32, conv_clamp=1.0)
    assert (got.net(f["z"], f["c"]) - clamped["image_const"]).abs().max() < 2e-4
    save_file(published_tensors("discriminator_cond_32"), path)
    assert read_weights(path, "D", vocabulary=Vocabulary()).net.config == D32
    checkpoint.save(path, discriminator_32(), licence="CC0-1.0")
    got = read_weights(path, "D")
    assert got.info is not None
    assert got.info.licence == "CC0-1.0"
    assert {placed.name for placed in got.placements} == set(discriminator_32().state_dict())


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        contents(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="is empty"):
        contents(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(
        CheckpointError, match=r"expected a .pkl, .pt or .safetensors file; .*file: the pickle uses PERSID at byte 1"
    ):
        contents(path)


def test_configurations_are_read_off_the_shapes() -> None:
    for config in (
        G32,
        replace(G32, resolution=8),
        GeneratorConfig(64, 16, 32, 3, channel_base=2048, channel_max=64),
        D32,
        replace(D32, classifier=True, mapping_layers=0),
        replace(D32, vocabulary=None, mapping_layers=8),
    ):
        net = Generator(config) if isinstance(config, GeneratorConfig) else Discriminator(config)
        found = config_from_shapes(net.state_dict(), config.vocabulary)
        widths = [config.channels(r) for r in config.block_resolutions]
        assert [found.channels(r) for r in config.block_resolutions] == widths
        same = {"channel_base": config.channel_base, "channel_max": config.channel_max}
        assert replace(found, **same) == config  # type: ignore[arg-type]
    odd = Generator(G32).state_dict() | {"synthesis.b8.conv1.weight": torch.zeros(17, 64, 3, 3)}
    with pytest.raises(CheckpointError, match=r"feature maps by resolution are \{4: 64, 8: 17, 16: 64, 32: 32\}"):
        config_from_shapes(odd, Vocabulary())
