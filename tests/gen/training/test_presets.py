from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import ConfigError
from gen.augmentation.ada import AdaConfig
from gen.config import GeneratorConfig
from gen.networks import Generator
from gen.training.presets import PRESETS, choose_preset, choose_size, make_preset, vary


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("resolution", [64, 128, 256, 1024])
def test_a_preset_takes_the_size_of_the_data(name: str, resolution: int) -> None:
    chosen = make_preset(name, resolution)
    assert chosen.generator.resolution == chosen.discriminator.resolution == resolution
    assert chosen.training.batch % chosen.discriminator.mbstd_group_size == 0


def test_paper256_is_as_published() -> None:
    chosen = make_preset("paper256", 256)
    assert chosen.generator == GeneratorConfig(256, 512, 512, 8, 16384, 512, None, 256)
    assert (chosen.discriminator.mbstd_group_size, chosen.discriminator.conv_clamp) == (8, 256)
    assert chosen.discriminator.mapping_layers == 8
    training = chosen.training
    assert (training.batch, training.learning_rate, training.r1_gamma) == (64, 0.0025, 1)
    assert (training.ema_halflife_images, training.ema_rampup) == (20_000, 0)
    assert (training.augment, training.ada, training.sampling) == ("bgc", AdaConfig(0.6, 4, 500), "half_affected")
    assert (training.path_length_weight, training.path_length_interval, training.r1_interval) == (2, 4, 16)
    assert (training.path_length_decay, training.path_length_shrink, training.style_mixing) == (0.01, 2, 0.9)
    assert (training.classifier_weight, training.identity_weight, training.generator_waits_images) == (0, 0, 0)


def test_auto_follows_resolution_and_processes() -> None:
    training = make_preset("auto", 256, 2).training
    assert training.batch == 32
    assert training.r1_gamma == pytest.approx(0.0002 * 256**2 / 32)
    assert training.ema_halflife_images == 10_000
    assert (training.learning_rate, training.ema_rampup, training.augment) == (0.0025, 0.05, "bgc")
    assert (training.ada, training.sampling) == (AdaConfig(0.6, 4, 500), "shuffled")
    assert make_preset("auto", 256, 8).training.batch == 64
    assert make_preset("auto", 1024).training.batch == 4
    assert make_preset("auto", 1024).training.learning_rate == 0.002
    assert [make_preset("auto", size).generator.channel_base for size in (256, 512)] == [16384, 32768]
    assert make_preset("auto", 256).generator.mapping_layers == 2
    assert [make_preset("auto", 256, count).discriminator.mbstd_group_size for count in (1, 8, 32)] == [4, 4, 2]
    # One image for each process leaves none to spare for the path length.
    assert [make_preset("auto", 256, count).training.path_length_shrink for count in (32, 64)] == [2, 1]


def test_phantom_is_what_speed_is_measured_with() -> None:
    config = make_preset("phantom", 128).generator
    assert (config.z_dim, config.w_dim, config.mapping_layers) == (128, 128, 2)
    assert (config.channel_base, config.channel_max, make_preset("phantom", 128).training.batch) == (4096, 128, 16)
    assert make_preset("phantom", 128).training.r1_gamma == 2
    assert sum(p.numel() for p in Generator(replace(config, resolution=8)).parameters()) > 0


def test_values_are_varied_by_name() -> None:
    chosen = vary(
        make_preset("paper256", 256),
        {
            "batch": "32",
            "r1_gamma": "2",
            "ada.target": "0.5",
            "generator.channel_max": "64",
            "discriminator.mbstd_group_size": "4",
            "sampling": '{"WS": 0.5, "unaffected": 0.5}',
            "precision": "float32",
        },
    )
    assert (chosen.training.batch, chosen.training.r1_gamma, chosen.training.precision) == (32, 2, "float32")
    assert chosen.training.ada == AdaConfig(target=0.5)
    assert chosen.training.sampling == {"WS": 0.5, "unaffected": 0.5}
    assert (chosen.generator.channel_max, chosen.discriminator.mbstd_group_size) == (64, 4)
    assert vary(make_preset("paper256", 256), {"augment": "null"}).training.ada is None
    assert vary(make_preset("phantom", 64), {"augment": "bg", "ada.target": "0.6"}).training.ada == AdaConfig()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gamma": "1"}, "unknown setting 'gamma'; expected one of batch, learning_rate"),
        ({"network.batch": "1"}, "unknown setting 'network.batch'"),
        ({"generator.resolution": "8"}, "unknown setting 'generator.resolution'"),
        ({"batch": "many"}, "batch is 'many': Input should be a valid integer"),
        ({"batch": "1"}, "batch is 1; expected 2 or more"),
        ({"precision": "half"}, "precision is 'half': Input should be 'float32', 'bfloat16' or 'float16'"),
    ],
)
def test_what_cannot_be_varied_is_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        vary(make_preset("phantom", 64), changes)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown preset 'huge'; expected one of phantom, paper256, auto"):
        make_preset("huge", 64)


def test_auto_takes_small_networks_and_images_on_a_cpu() -> None:
    assert choose_preset("auto", on_cpu=True, fine_tunes=False) == "cpu"
    assert choose_preset("auto", on_cpu=False, fine_tunes=False) == "gpu"
    assert choose_preset("auto", on_cpu=True, fine_tunes=True) == "gpu"  # its networks are those of the checkpoint
    assert choose_preset("paper256", on_cpu=True, fine_tunes=False) == "paper256"
    sizes = [choose_size("auto", size, 256, on_cpu=True, fine_tunes=False) for size in (None, 256, 64)]
    assert sizes == [128, 256, 64]
    assert choose_size("auto", None, 64, on_cpu=True, fine_tunes=False) == 64
    assert choose_size("auto", None, 256, on_cpu=False, fine_tunes=False) == 256
    assert choose_size("gpu", None, 256, on_cpu=True, fine_tunes=False) == 256
    assert choose_size("auto", None, 256, on_cpu=True, fine_tunes=True) == 256
    small, large = make_preset("cpu", 128), make_preset("gpu", 128)
    assert small.generator == make_preset("phantom", 128).generator
    assert small.training.ada == large.training.ada
