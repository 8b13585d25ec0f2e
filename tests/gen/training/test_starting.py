"""How a run begins: whose networks, at which pace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core import tensor_files
from core.errors import CheckpointError, ConfigError
from core.seen_images import NOTHING, UNKNOWN, SeenImages
from gen import checkpoint
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.training.presets import Preset, make_preset
from gen.training.starting import Sources, begin, fit_preset, read_sources
from gen.training.trainer import Trainer
from tests.gen.training.tiny import DISCRIMINATOR, GENERATOR, data

SMALL = Preset(GENERATOR, DISCRIMINATOR, replace(make_preset("phantom", 16).training, batch=8, precision="float32"))


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Of 8 px, unconditional generator and all, as a run left them."""
    generator, discriminator = tmp_path / "g.safetensors", tmp_path / "d.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(1)
        checkpoint.save(generator, Generator(replace(GENERATOR, resolution=8, vocabulary=None)), origin="elsewhere")
        checkpoint.save(discriminator, Discriminator(replace(DISCRIMINATOR, resolution=8, vocabulary=None)))
    return read_sources(generator, discriminator)


def test_a_preset_takes_vocabulary_and_classifier() -> None:
    vocabulary = Vocabulary(("WS", "unaffected"))
    chosen = fit_preset(make_preset("phantom", 64), vocabulary, Sources())
    assert chosen.generator.vocabulary == chosen.discriminator.vocabulary == vocabulary
    assert chosen.discriminator.classifier
    assert not fit_preset(make_preset("auto", 64), vocabulary, Sources()).discriminator.classifier
    assert chosen.training == make_preset("phantom", 64).training


def test_fine_tuning_takes_the_sizes_of_its_networks_and_a_quicker_pace(sources: Sources) -> None:
    chosen = fit_preset(make_preset("auto", 16), Vocabulary(), sources)
    assert chosen.generator == GENERATOR
    assert chosen.discriminator == replace(DISCRIMINATOR, mapping_layers=8, mbstd_group_size=4)
    assert chosen.training.ada is not None
    assert (chosen.training.ada.speed_kimg, chosen.training.ema_rampup) == (100, 0)
    new = fit_preset(make_preset("auto", 16), Vocabulary(), replace(sources, discriminator=None))
    assert (new.discriminator.channel_base, new.discriminator.channel_max) == (128, 8)


def test_networks_begin_as_their_sources(sources: Sources) -> None:
    chosen = fit_preset(SMALL, Vocabulary(), sources)
    run = Trainer(chosen.generator, chosen.discriminator, chosen.training, data())
    reports = begin(run, sources)
    assert reports.keys() == {"generator", "discriminator"}
    assert sources.generator is not None
    z = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    w = sources.generator.map(z, None)
    label = Vocabulary().encode("WS", "child").expand(4, -1)
    for net in (run.generator, run.average):
        torch.testing.assert_close(net.map(z, label)[:, 0], w[:, 0])
    assert not begin(Trainer(GENERATOR, DISCRIMINATOR, replace(SMALL.training, classifier_weight=0), data()), Sources())


def test_the_origin_names_file_and_checksum(sources: Sources, tmp_path: Path) -> None:
    sha256 = tensor_files.sha256(tmp_path / "g.safetensors")
    assert sources.origin == f"fine-tuned from g.safetensors (elsewhere; sha256 {sha256[:16]})"
    assert Sources().origin == "trained from scratch"


def test_what_either_source_has_seen_was_seen(sources: Sources, tmp_path: Path) -> None:
    assert sources.seen == UNKNOWN
    assert Sources().seen == NOTHING
    net, judge = sources.generator, sources.discriminator
    assert net is not None
    assert judge is not None
    paths = tmp_path / "seen_g.safetensors", tmp_path / "seen_d.safetensors"
    first, second = SeenImages.of(["a" * 64]), SeenImages.of(["b" * 64])
    checkpoint.save(paths[0], net, seen=first)
    checkpoint.save(paths[1], judge, seen=second)
    assert read_sources(paths[0], None).seen == first
    assert read_sources(*paths).seen == first | second
    assert read_sources(paths[0], tmp_path / "d.safetensors").seen == first | UNKNOWN


def test_messages(sources: Sources, tmp_path: Path) -> None:
    generator, discriminator = tmp_path / "g.safetensors", tmp_path / "d.safetensors"
    with pytest.raises(ConfigError, match=r"--discriminator-from .*d.safetensors without --from; name its generator"):
        read_sources(None, discriminator)
    with pytest.raises(ConfigError, match=r"g.safetensors holds a generator; expected the discriminator trained with"):
        read_sources(generator, generator)
    with pytest.raises(CheckpointError, match="holds a discriminator; expected a generator's checkpoint"):
        read_sources(discriminator, None)
    with pytest.raises(CheckpointError, match="there is no file"):
        read_sources(tmp_path / "absent.safetensors", None)
