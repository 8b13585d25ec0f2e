from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import CheckpointError, ConfigError
from faces.labels import AgeGroup
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.official import load_stylegan2_ada
from gen.training.warm_start import translation, warm_start, warm_start_discriminator
from tests.gen.fixtures import D32, FFHQ256, G32, discriminator_32, generator_32, published_tensors, randomised

OTHER = Vocabulary(
    ("NS", "unaffected", "WS"),
    (AgeGroup("baby", 0, 1), AgeGroup("child", 1, 12), AgeGroup("teens", 12, 18), AgeGroup("adult", 18, math.inf)),
)
PLAIN_G, PLAIN_D = replace(G32, vocabulary=None), replace(D32, vocabulary=None)


def labels(vocabulary: Vocabulary) -> Tensor:
    """Every condition in every age, and the unknown label."""
    pairs = [vocabulary.encode(c, a) for c in vocabulary.conditions for a in vocabulary.age_names]
    return torch.stack([*pairs, vocabulary.encode()])


def z_for(c: Tensor, z_dim: int) -> Tensor:
    return torch.randn(1, z_dim, generator=torch.Generator().manual_seed(8)).expand(len(c), -1)


def worst(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()


@torch.no_grad()
def test_labels_on_an_unconditional_generator_change_no_image() -> None:
    source, target = randomised(Generator(PLAIN_G)), Generator(G32)
    report = warm_start(target, source, seed=1)
    c = labels(Vocabulary())
    z = z_for(c, 64)
    assert worst(target(z, c), source(z)) < 1e-4
    assert worst(target.map(z, c, truncation=0.5), source.map(z, truncation=0.5)) < 1e-5
    assert report.adapted == ("mapping.fc0.weight",)
    assert set(report.fresh) == {f"mapping.embed.{n}" for n in ("condition_weight", "age_weight", "bias")}
    assert set(report.copied) == set(source.state_dict()) - {"mapping.fc0.weight"}
    assert report.unused == ()
    assert target.mapping.embed is not None
    assert target.mapping.embed.condition_weight.std() > 0.5, "nothing could be learnt from an embedding of zeros"


@torch.no_grad()
def test_at_full_ffhq256_size() -> None:
    source = load_stylegan2_ada(Generator(FFHQ256), published_tensors("generator_ffhq256"))
    target = Generator(replace(FFHQ256, vocabulary=Vocabulary()))
    warm_start(target, source, seed=1)
    c = labels(Vocabulary())
    z = z_for(c, 512)
    w, expected = target.map(z, c), source.map(z[:1])
    assert worst(w, expected) < 1e-5
    some = [0, 7, len(c) - 1]  # one latent, whatever the label: few images tell as much as all
    images = source.synthesize(expected)
    assert images.std() > 0.1
    assert worst(target.synthesize(w[some]), images) < 1e-4


def test_the_seed_alone_decides_what_is_fresh() -> None:
    def embedding(seed: int) -> Tensor:
        target = Generator(G32)
        warm_start(target, Generator(PLAIN_G), seed=seed)
        assert target.mapping.embed is not None
        return target.mapping.embed.age_weight

    stream = torch.random.get_rng_state()
    net = Generator(PLAIN_G)
    torch.random.set_rng_state(stream)
    warm_start(net, net, seed=1)
    assert torch.equal(torch.random.get_rng_state(), stream)
    assert torch.equal(embedding(4), embedding(4))
    assert not torch.equal(embedding(4), embedding(5))


def test_shared_names_keep_their_column_and_new_ones_begin_as_the_nearest() -> None:
    conditions, ages = translation(OTHER, Vocabulary())
    assert conditions.tolist() == [[0.25] * 4, [0, 0, 0, 1], [1, 0, 0, 0]]
    # "baby" lies within infant, "child" has a namesake, "teens" lies within adolescent, "adult" begins with 18.
    assert ages.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]]
    gap = Vocabulary(ages=(AgeGroup("a", 0, 2), AgeGroup("b", 4, 6)))
    assert translation(Vocabulary(ages=(AgeGroup("new", 2, 4),)), gap)[1].tolist() == [[0.5, 0.5]]


@torch.no_grad()
def test_another_vocabulary_keeps_the_images_of_what_it_shares() -> None:
    source = generator_32()
    target = Generator(replace(G32, vocabulary=OTHER))
    report = warm_start(target, source, seed=1)
    old = [
        Vocabulary().encode("WS", "child"),
        Vocabulary().encode("unaffected", "infant"),
        Vocabulary().encode(None, "adolescent"),
    ]
    new = [OTHER.encode("WS", "child"), OTHER.encode("unaffected", "baby"), OTHER.encode("NS", "teens")]
    z = z_for(torch.stack(old), 64)
    assert worst(target(z, torch.stack(new)), source(z, torch.stack(old))) < 1e-4
    assert report.adapted == ("mapping.embed.condition_weight", "mapping.embed.age_weight")
    assert report.fresh == report.unused == ()


@torch.no_grad()
def test_an_equal_configuration_is_copied_whole() -> None:
    for start, net, source in (
        (warm_start, Generator(G32), generator_32()),
        (warm_start_discriminator, Discriminator(D32), discriminator_32()),
    ):
        report = start(net, source, seed=1)  # type: ignore[operator]
        assert set(report.copied) == set(source.state_dict())
        assert report.adapted == report.fresh == report.unused == ()
        assert all(torch.equal(net.state_dict()[name], value) for name, value in source.state_dict().items())


@torch.no_grad()
@pytest.mark.parametrize("resolution", [64, 128])
def test_a_larger_generator_makes_the_same_images_upsampled(resolution: int) -> None:
    source, target = generator_32(), Generator(replace(G32, resolution=resolution))
    report = warm_start(target, source, seed=1)
    c = labels(Vocabulary())[:3]
    z = z_for(c, 64)
    expected, images = source(z, c), target(z, c)
    upsample = source.synthesis.blocks[1].upsample_rgb
    assert upsample is not None
    for _ in range((resolution // 32).bit_length() - 1):
        expected = upsample(expected)
    assert images.shape == (3, 3, resolution, resolution)
    assert worst(images, expected) < 1e-4
    assert "synthesis.b64.torgb.weight" in report.adapted
    assert "synthesis.b64.conv0.weight" in report.fresh


@torch.no_grad()
def test_labels_and_resolution_may_come_together() -> None:
    source, target = randomised(Generator(PLAIN_G)), Generator(replace(G32, resolution=64, vocabulary=OTHER))
    warm_start(target, source, seed=1)
    c = labels(OTHER)[::4]
    z = z_for(c, 64)
    upsample = source.synthesis.blocks[1].upsample_rgb
    assert worst(target(z, c), upsample(source(z))) < 1e-4


@torch.no_grad()
def test_a_smaller_generator_makes_the_image_of_the_skip_connection() -> None:
    small, large, target = generator_32(), Generator(replace(G32, resolution=64)), Generator(G32)
    warm_start(large, small, seed=1)  # nothing is added above 32 px yet
    report = warm_start(target, large, seed=2)
    c = labels(Vocabulary())[:3]
    assert torch.equal(target(z_for(c, 64), c), small(z_for(c, 64), c))
    assert set(report.copied) == set(target.state_dict())
    assert all(name.startswith("synthesis.b64.") for name in report.unused)


def test_a_smaller_discriminator_takes_the_lower_blocks() -> None:
    large, target = randomised(Discriminator(replace(D32, resolution=64))), Discriminator(D32)
    report = warm_start_discriminator(target, large, seed=1)
    assert set(report.fresh) == {"b32.fromrgb.weight", "b32.fromrgb.bias"}
    assert set(report.copied) == set(target.state_dict()) - set(report.fresh)
    assert torch.equal(target.get_parameter("b32.conv0.weight"), large.get_parameter("b32.conv0.weight"))


def test_a_larger_generator_learns_in_its_new_blocks() -> None:
    target = Generator(replace(G32, resolution=64))
    warm_start(target, generator_32(), seed=1)
    c = labels(Vocabulary())[:2]
    target(z_for(c, 64), c).square().sum().backward()
    gradient = target.get_parameter("synthesis.b64.torgb.weight").grad
    assert gradient is not None
    assert gradient.abs().max() > 0


def test_a_wider_generator_makes_the_same_images_and_learns_in_its_new_maps() -> None:
    source, target = randomised(Generator(G32)), Generator(replace(G32, channel_base=2048, channel_max=128))
    report = warm_start(target, source, seed=1)
    assert report.fresh == report.unused == ()
    c = labels(Vocabulary())[:2]
    image = target(z_for(c, 64), c)
    assert worst(image, source(z_for(c, 64), c)) < 1e-4 * image.abs().max()
    image.square().sum().backward()
    gradient = target.get_parameter("synthesis.b32.conv1.weight").grad
    assert gradient is not None
    assert gradient[:32, 32:].abs().max() > 0, "the kernels of the old maps must learn to use the new ones"


@torch.no_grad()
def test_a_wider_and_larger_generator_upsamples_the_image() -> None:
    source = randomised(Generator(G32))
    target = Generator(replace(G32, resolution=64, channel_base=2048, channel_max=128))
    warm_start(target, source, seed=1)
    c = labels(Vocabulary())[:2]
    upsample = source.synthesis.blocks[1].upsample_rgb
    assert upsample is not None
    expected = upsample(source(z_for(c, 64), c))
    assert worst(target(z_for(c, 64), c), expected) < 1e-4 * expected.abs().max()


@torch.no_grad()
def test_centres_of_labels_are_measured_anew_for_other_labels() -> None:
    config = replace(G32, truncation_centre="label")
    source, target = randomised(Generator(PLAIN_G)), Generator(config)
    report = warm_start(target, source, seed=1)
    assert "mapping.label_centres" in report.adapted
    c = labels(Vocabulary())
    w = target.map(z_for(c, 64), c, truncation=0.0)
    assert worst(w, w[:1]) < 1e-4, "every label has the source's latents, so the source's centre"
    again = Generator(config)
    assert "mapping.label_centres" in warm_start(again, target, seed=1).copied


@torch.no_grad()
def test_a_discriminator_keeps_all_but_the_label_mapping() -> None:
    source, target = randomised(Discriminator(PLAIN_D)), Discriminator(replace(D32, classifier=True))
    report = warm_start_discriminator(target, source, seed=1)
    assert report.unused == ("b4.out.weight", "b4.out.bias")
    assert all(name.startswith(("mapping.", "b4.out.", "b4.classify.")) for name in report.fresh)
    assert set(report.copied) == set(source.state_dict()) - set(report.unused)
    assert report.adapted == ()
    assert torch.equal(target.b4.fc.weight, source.b4.fc.weight)
    again = Discriminator(replace(D32, classifier=True))
    warm_start_discriminator(again, source, seed=1)
    assert torch.equal(again.b4.out.weight, target.b4.out.weight)


@torch.no_grad()
def test_a_discriminator_of_another_vocabulary_judges_shared_labels_alike() -> None:
    source = randomised(Discriminator(replace(D32, classifier=True)))
    target = Discriminator(replace(D32, classifier=True, vocabulary=OTHER))
    report = warm_start_discriminator(target, source, seed=1)
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(2)).clamp(-1, 1)
    old = source.judge(images, Vocabulary().encode("WS", "child").expand(4, -1))
    new = target.judge(images, OTHER.encode("WS", "child").expand(4, -1))
    assert worst(new.logits, old.logits) < 1e-4
    assert old.label_logits is not None
    assert new.label_logits is not None
    assert worst(new.label_logits[:, OTHER.conditions.index("WS")], old.label_logits[:, 0]) < 1e-5
    assert worst(new.label_logits[:, 3], old.label_logits[:, 4]) < 1e-5
    assert report.fresh == report.unused == ()


def halved(images: Tensor) -> Tensor:
    fir = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return F.conv2d(images, torch.outer(fir, fir).repeat(3, 1, 1, 1), stride=2, padding=1, groups=3)


@torch.no_grad()
@pytest.mark.parametrize("resolution", [64, 128])
def test_a_larger_discriminator_begins_by_judging_the_halved_image(resolution: int) -> None:
    source = discriminator_32()
    target = Discriminator(replace(D32, resolution=resolution))
    report = warm_start_discriminator(target, source, seed=1)
    images = torch.randn(4, 3, resolution, resolution, generator=torch.Generator().manual_seed(2)).clamp(-1, 1)
    c = labels(Vocabulary())[:4]
    seen = images
    while seen.shape[-1] > 32:
        seen = halved(seen)
    logits = source(seen, c)
    assert logits.std() > 0.01
    assert worst(target(images, c), logits) < 1e-4
    assert report.unused == ("b32.fromrgb.weight", "b32.fromrgb.bias")
    assert {"b32.conv0.weight", "b32.skip.weight", "b4.out.weight"} <= set(report.copied)


def test_a_wider_discriminator_judges_alike_and_learns_in_its_new_maps() -> None:
    source = randomised(Discriminator(replace(D32, classifier=True)))
    target = Discriminator(replace(D32, classifier=True, channel_base=2048))
    report = warm_start_discriminator(target, source, seed=1)
    assert "b32.fromrgb.weight" in report.adapted
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(2)).clamp(-1, 1)
    c = labels(Vocabulary())[:4]
    logits = target(images, c)
    assert worst(logits, source(images, c)) < 1e-4 * logits.abs().max()
    logits.sum().backward()
    gradient = target.get_parameter("b32.conv1.weight").grad
    assert gradient is not None
    assert gradient[:, 32:].abs().max() > 0


@pytest.mark.parametrize(
    "target", [replace(D32, channel_base=2048, channel_max=128), replace(D32, channel_base=2048, resolution=64)]
)
def test_a_discriminator_keeps_its_maps_at_4_px_and_does_not_grow_while_it_widens(target: DiscriminatorConfig) -> None:
    with pytest.raises(ConfigError, match=r"feature maps at (4|32) px are"):
        warm_start_discriminator(Discriminator(target), Discriminator(D32), seed=1)


def test_a_larger_discriminator_learns_in_its_new_block() -> None:
    target = Discriminator(replace(D32, resolution=64))
    warm_start_discriminator(target, discriminator_32(), seed=1)
    target(torch.randn(4, 3, 64, 64), labels(Vocabulary())[:4]).sum().backward()
    gradient = target.get_parameter("b64.conv1.weight").grad
    assert gradient is not None
    assert gradient[:, 6:].abs().max() > 0, "the fresh channels of the new block must come into use"


def test_a_new_block_too_thin_for_an_image_and_its_negative_starts_fresh() -> None:
    thin = DiscriminatorConfig(16, channel_base=64, channel_max=8)
    target = Discriminator(replace(thin, resolution=32))
    report = warm_start_discriminator(target, Discriminator(thin), seed=1)
    assert report.adapted == ()
    assert "b32.fromrgb.weight" in report.fresh


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (replace(PLAIN_G, z_dim=32), G32, "z_dim is 32 in the source, 64 in the target"),
        (replace(PLAIN_G, conv_clamp=256), G32, "conv_clamp is 256 in the source, None in the target"),
        (replace(PLAIN_G, mapping_layers=2), G32, "mapping_layers is 2 in the source, 4 in the target"),
        (
            replace(PLAIN_G, channel_max=128),
            G32,
            r"feature maps at 8 px are 128 in the source \(channel_base 1024, channel_max 128\), 64 in the target",
        ),
        (G32, PLAIN_G, "the source knows the labels WS, 22q11DS, other, unaffected, the target none"),
    ],
)
def test_what_cannot_be_bridged_names_both_sides(
    source: GeneratorConfig, target: GeneratorConfig, message: str
) -> None:
    net = Generator(target)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ConfigError, match=message):
        warm_start(net, Generator(source), seed=1)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())


def test_a_tensor_of_another_shape_names_both_sides() -> None:
    source = Generator(PLAIN_G)
    source.mapping.w_avg = torch.zeros(63)
    with pytest.raises(CheckpointError, match=r"mapping.w_avg is \(63,\) in the source, \(64,\) in the target"):
        warm_start(Generator(G32), source, seed=1)


def test_label_layers_of_a_discriminator_must_agree() -> None:
    source, target = Discriminator(D32), Discriminator(replace(D32, mapping_layers=0))
    with pytest.raises(ConfigError, match="mapping_layers is 4 in the source, 0 in the target"):
        warm_start_discriminator(target, source, seed=1)
    warm_start_discriminator(Discriminator(replace(D32, mapping_layers=0)), Discriminator(PLAIN_D), seed=1)
