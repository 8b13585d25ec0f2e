from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

from core.errors import ConfigError, LabelError
from gen.config import DiscriminatorConfig, GeneratorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator, minibatch_std
from tests.gen.fixtures import D32, G32, discriminator_32, fixture, generator_32, randomised

TINY = GeneratorConfig(16, 8, 8, 2, channel_base=128, channel_max=8, vocabulary=Vocabulary())


@pytest.mark.parametrize("resolution", [8, 64, 256])
def test_shapes(resolution: int) -> None:
    config = replace(TINY, resolution=resolution, channel_base=8 * resolution, vocabulary=None)
    net = Generator(config)
    w = net.map(torch.randn(2, 8))
    assert w.shape == (2, config.num_ws, 8)
    images = net.synthesize(w)
    assert images.shape == (2, 3, resolution, resolution)
    judge = Discriminator(DiscriminatorConfig(resolution, channel_base=8 * resolution, channel_max=8))
    assert judge(images).shape == (2, 1)


def test_truncation_zero_is_the_average_latent() -> None:
    net, f = generator_32(), fixture("generator_cond_32")
    w = net.map(f["z"], f["c"], truncation=0)
    assert torch.equal(w, net.mapping.w_avg.expand_as(w))


@torch.no_grad()
def test_a_label_has_its_own_centre_of_truncation() -> None:
    torch.manual_seed(0)
    net = Generator(replace(TINY, truncation_centre="label"))
    net.update_label_centres(samples=4_000)
    vocabulary = Vocabulary()
    label = vocabulary.encode("other", "child")[None]
    other = vocabulary.encode("WS", "older_adult")[None]
    mean = net.map(torch.randn(4_000, 8), label.expand(4_000, -1)).mean(dim=0)[0]
    centre = net.map(torch.randn(1, 8), label, truncation=0)[0, 0]
    torch.testing.assert_close(centre, mean, atol=0.1, rtol=0)
    assert (centre - net.mapping.centre(other)[0]).abs().max() > 0.3
    half = net.mapping.centre(0.5 * label + 0.5 * vocabulary.encode("other", "older_adult"))
    expected = (net.mapping.centre(label) + net.mapping.centre(vocabulary.encode("other", "older_adult")[None])) / 2
    torch.testing.assert_close(half, expected)


def test_one_centre_for_all_has_nothing_to_measure() -> None:
    net = Generator(TINY)
    before = net.state_dict()
    net.update_label_centres()
    assert "mapping.label_centres" not in before
    assert torch.equal(net.mapping.centre(None), net.mapping.w_avg)


def test_a_classifier_reads_labels_beside_the_logits() -> None:
    torch.manual_seed(0)
    config = DiscriminatorConfig(16, channel_base=128, channel_max=8, vocabulary=Vocabulary(), classifier=True)
    net, images, c = Discriminator(config), torch.randn(4, 3, 16, 16), Vocabulary().encode("WS").expand(4, -1)
    judgement = net.judge(images, c)
    assert judgement.label_logits is not None
    assert judgement.label_logits.shape == (4, 9)
    assert torch.equal(net(images, c), judgement.logits)
    assert Discriminator(replace(config, classifier=False)).judge(images, c).label_logits is None


def test_blending_labels_is_blending_embeddings() -> None:
    embed = generator_32().mapping.embed
    assert embed is not None
    a, b = Vocabulary().encode("WS", "infant")[None], Vocabulary().encode("other", "older_adult")[None]
    torch.testing.assert_close(embed(0.3 * a + 0.7 * b), 0.3 * embed(a) + 0.7 * embed(b))


@torch.no_grad()
def test_an_image_does_not_depend_on_its_batch() -> None:
    net, f = generator_32(), fixture("generator_cond_32")
    w = net.map(f["z"], f["c"])
    alone = torch.cat([net.synthesize(w[i : i + 1]) for i in range(len(w))])
    torch.testing.assert_close(alone, net.synthesize(w), atol=2e-4, rtol=0)


@torch.no_grad()
def test_fresh_noise_comes_from_the_generator_given() -> None:
    net, w = generator_32(), torch.randn(2, 8, 64)

    def draw(*seeds: int) -> torch.Tensor:
        return net.synthesize(w, "random", [torch.Generator().manual_seed(seed) for seed in seeds])

    assert torch.equal(draw(1, 2), draw(1, 2))
    both, changed = draw(1, 2), draw(1, 3)
    torch.testing.assert_close(both[0], changed[0], atol=2e-4, rtol=0)
    assert (both[1] - changed[1]).abs().max() > 0.01


@torch.no_grad()
def test_bfloat16_is_close_to_float32() -> None:
    net, f = generator_32(), fixture("generator_cond_32")
    w = net.map(f["z"], f["c"])
    exact, fast = net.synthesize(w), net.synthesize(w, dtype=torch.bfloat16)
    assert fast.dtype == torch.float32
    assert ((exact - fast).abs().mean() / exact.std()).item() < 0.02
    judge, g = discriminator_32(), fixture("discriminator_cond_32")
    logits = judge(g["image"], g["c"], torch.bfloat16)
    assert ((logits - g["logits"]).abs().max() / g["logits"].std()).item() < 0.05


def test_minibatch_std_groups_images_a_quarter_apart() -> None:
    x = torch.zeros(8, 1, 4, 4)
    x[0] = 1.0  # images 0, 2, 4, 6 form a group, so only they see that one differs
    maps = minibatch_std(x, group_size=4)[:, 1].mean(dim=(1, 2))
    assert (maps[[0, 2, 4, 6]] > 0.4).all()
    assert (maps[[1, 3, 5, 7]] < 1e-3).all()


def test_minibatch_std_takes_batches_that_its_group_does_not_divide() -> None:
    assert minibatch_std(torch.randn(6, 2, 4, 4), group_size=4).shape == (6, 3, 4, 4)


def test_w_avg_moves_by_an_explicit_call_only() -> None:
    net = Generator(TINY)
    before = net.mapping.w_avg.clone()
    w = net.map(torch.randn(4, 8), torch.zeros(4, 9))
    assert torch.equal(net.mapping.w_avg, before)
    net.update_w_avg(w[:, 0], beta=0.75)
    torch.testing.assert_close(net.mapping.w_avg, w[:, 0].detach().mean(dim=0) / 4)


def test_messages() -> None:
    net, judge = Generator(TINY), Discriminator(D32)
    with pytest.raises(LabelError, match=r"labels are \(2, 4\); expected \(2, 9\)"):
        net.map(torch.randn(2, 8), torch.zeros(2, 4))
    with pytest.raises(LabelError, match="labels are none"):
        judge(torch.zeros(2, 3, 32, 32))
    with pytest.raises(ConfigError, match=r"expected \(n, 3, 32, 32\)"):
        judge(torch.zeros(2, 3, 16, 16), torch.zeros(2, 9))
    with pytest.raises(ConfigError, match=r"latents are \(2, 8\); expected \(n, 6, 8\)"):
        net.synthesize(torch.randn(2, 8))
    with pytest.raises(ConfigError, match="noise is 'loud'; expected one of const, none, random"):
        net.synthesize(torch.randn(1, 6, 8), "loud")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 48}, "resolution is 48; expected a power of two"),
        ({"resolution": 32.0}, "resolution is 32.0; expected an integer"),
        ({"z_dim": 0}, "z_dim is 0; expected an integer from 1"),
        ({"conv_clamp": -1}, "conv_clamp is -1"),
        ({"channel_base": 16}, "channel_base 16 leaves no channel at 32 px"),
    ],
)
def test_bad_configurations_are_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(G32, **change)  # type: ignore[arg-type]


def test_configurations_survive_json() -> None:
    for config in (G32, D32, replace(G32, vocabulary=None, conv_clamp=256)):
        assert type(config).from_json(config.to_json()) == config


@torch.no_grad()
def test_offsets_change_the_kernels_of_each_image_by_itself() -> None:
    net = randomised(Generator(G32))
    w = torch.randn(3, G32.num_ws, 64, generator=torch.Generator().manual_seed(1))
    g = torch.Generator().manual_seed(2)
    names = ("b4.conv1", "b16.conv0", "b32.conv1")
    offsets = {name: 0.3 * torch.randn(3, *net.kernel_shapes[name], generator=g) for name in names}
    images = net.synthesize(w, offsets=offsets)
    for i in range(3):
        changed = deepcopy(net)
        for name in names:
            changed.get_parameter(f"synthesis.{name}.weight").mul_(1 + offsets[name][i])
        torch.testing.assert_close(images[i : i + 1], changed.synthesize(w[i : i + 1]), atol=2e-5, rtol=1e-4)


def test_offsets_of_zero_change_nothing_and_are_learnt_from() -> None:
    net = randomised(Generator(G32))
    w = torch.randn(2, G32.num_ws, 64, generator=torch.Generator().manual_seed(1))
    offsets = {n: torch.zeros(2, *shape, requires_grad=True) for n, shape in net.kernel_shapes.items()}
    assert len(offsets) == G32.num_ws - 1
    images = net.synthesize(w, offsets=offsets)
    torch.testing.assert_close(images, net.synthesize(w), atol=2e-5, rtol=1e-4)
    images.square().mean().backward()
    assert all(offset.grad is not None and offset.grad.abs().max() > 0 for offset in offsets.values())


@pytest.mark.parametrize(
    ("offsets", "says"),
    [
        ({"b64.conv0": torch.zeros(1, 64, 64, 3, 3)}, "b64.conv0.*expected b4.conv1, b8.conv0"),
        ({"b4.conv1": torch.zeros(2, 64, 64, 3, 3)}, r"\(2, 64, 64, 3, 3\); expected \(1, 64, 64, 3, 3\)"),
    ],
)
def test_offsets_that_fit_no_kernel_are_refused(offsets: dict[str, torch.Tensor], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Generator(G32).synthesize(torch.zeros(1, G32.num_ws, 64), offsets=offsets)
