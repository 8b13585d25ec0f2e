"""The augmentation pipe: parity, what a seed decides, gradients, refusals."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from core.errors import ConfigError
from gen.augment import PRESETS, TRANSFORMS, AugmentPipe
from gen.augmentation.corruption import cut_out
from gen.augmentation.draws import Draws
from gen.augmentation.filter import SYM2, amplify, band_gains
from tests.gen.fixtures import fixture

ALL = PRESETS["bgcfnc"]
FIXTURE = fixture("augment_32")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, side: int = 16) -> Tensor:
    return torch.rand(count, 3, side, side, generator=seeded(99)) * 2 - 1


def pipe_at(p: float, **strengths: float) -> AugmentPipe:
    pipe = AugmentPipe(**strengths)
    pipe.p = p
    return pipe


def changed(before: Tensor, after: Tensor) -> Tensor:
    return (before != after).flatten(1).any(dim=1)


@pytest.mark.parametrize("key", [key for key in FIXTURE if key != "image"])
def test_augmentation_equals_the_reference(key: str) -> None:
    name, percentile = key.split("@")
    pipe = AugmentPipe(**PRESETS.get(name, {name: 1}))
    augmented = pipe(FIXTURE["image"], percentile=float(percentile))
    assert (augmented - FIXTURE[key]).abs().max() < 2e-5


def test_the_recommended_set() -> None:
    assert set(PRESETS["bgc"]) == set(TRANSFORMS) - {"imgfilter", "noise", "cutout"}
    assert set(ALL) == set(TRANSFORMS)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_nothing_happens_without_p_or_without_strengths(p: float) -> None:
    images = pictures(4)
    pipe = pipe_at(p, **(ALL if p == 0 else PRESETS["none"]))
    assert torch.equal(pipe(images, generator=seeded(0)), images)


def test_p_of_1_flips_half_of_the_images() -> None:
    images = torch.linspace(-1, 1, 32).expand(200, 3, 32, 32)  # a ramp from left to right
    augmented = AugmentPipe(xflip=1)(images, generator=seeded(0))
    flipped = (augmented - images.flip(3)).abs().amax(dim=(1, 2, 3)) < 0.05
    same = (augmented == images).flatten(1).all(dim=1)
    assert torch.all(flipped ^ same)
    assert 70 <= flipped.sum() <= 130


@pytest.mark.parametrize("name", ["scale", "rotate", "contrast", "cutout", "noise"])
def test_p_is_the_share_of_images_that_change(name: str) -> None:
    images = pictures(600, side=8)
    for p, strength, share in ((0.3, 1, 0.3), (0.6, 0.5, 0.3), (0.5, 3, 1)):
        after = pipe_at(p, **{name: strength})(images, generator=seeded(1))
        assert changed(images, after).float().mean().item() == pytest.approx(share, abs=0.075)  # four deviations


def test_raising_p_only_adds() -> None:
    images = pictures(64, side=8)
    few, many = (pipe_at(p, contrast=1)(images, generator=seeded(2)) for p in (0.2, 0.7))
    touched = changed(images, few)
    assert 0 < touched.sum() < changed(images, many).sum()
    assert torch.equal(few[touched], many[touched])


def test_a_seed_decides() -> None:
    images, pipe = pictures(4), pipe_at(0.7, **ALL)
    first, again, other = (pipe(images, generator=seeded(seed)) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert changed(first, other).any()


def test_the_global_generator_serves_where_none_is_passed() -> None:
    images, pipe = pictures(4), AugmentPipe(cutout=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first = pipe(images)
        torch.manual_seed(3)
        assert torch.equal(pipe(images), first)


def test_an_image_is_treated_alike_in_every_batch() -> None:
    images, pipe = pictures(6), pipe_at(0.8, **ALL)
    whole = pipe(images, generator=seeded(5))
    assert torch.allclose(pipe(images[:2], generator=seeded(5)), whole[:2], atol=1e-5)
    draws = Draws.random(6, seeded(5))
    assert torch.allclose(pipe(images[3:5], draws=draws.rows(torch.tensor([3, 4]))), whole[3:5], atol=1e-5)


def test_a_transform_does_not_depend_on_which_others_are_on() -> None:
    images = pictures(8)
    alone = AugmentPipe(cutout=1)(images, generator=seeded(5)) == 0
    together = AugmentPipe(**ALL)(images, generator=seeded(5)) == 0
    assert torch.equal(alone, together)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_type_follows_the_images(dtype: torch.dtype) -> None:
    images = pictures(4).to(torch.bfloat16)
    pipe = pipe_at(0.8, **ALL)
    augmented = pipe(images.to(dtype), generator=seeded(5))
    assert augmented.dtype == dtype
    assert torch.allclose(augmented.float(), pipe(images.float(), generator=seeded(5)), atol=0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_device_follows_the_images() -> None:
    images, pipe = pictures(8, side=64), pipe_at(0.8, **ALL)
    expected = pipe(images, generator=seeded(5))
    augmented = pipe.cuda()(images.cuda(), generator=seeded(5))
    assert augmented.is_cuda
    assert torch.allclose(augmented.cpu(), expected, atol=1e-4)


def test_gradients_and_their_gradients() -> None:
    draws, pipe = Draws.random(3, seeded(8)), pipe_at(0.9, **ALL)
    images = pictures(3, side=5).double().requires_grad_()

    def augment(x: Tensor) -> Tensor:
        return pipe(x, draws=draws).tanh()  # curved, so that there is a second gradient

    assert gradcheck(augment, (images,), fast_mode=True)
    assert gradgradcheck(augment, (images,), fast_mode=True)


def test_a_penalty_on_the_gradient_reaches_the_weights() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Softplus(), torch.nn.Flatten(), torch.nn.LazyLinear(1))
    images = pictures(4).requires_grad_()
    logits = net(AugmentPipe(**ALL)(images, generator=seeded(0)))
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    gradient.square().sum().backward()
    weight = net[0].weight.grad
    assert weight is not None
    assert weight.isfinite().all()
    assert weight.any()


def test_grey_stays_grey_under_hue_and_saturation() -> None:
    images = pictures(8)[:, :1].expand(-1, 3, -1, -1)
    augmented = AugmentPipe(hue=1, saturation=1)(images, generator=seeded(0))
    assert torch.allclose(augmented, images, atol=1e-6)


def test_luma_flip_keeps_colour_and_negates_grey() -> None:
    images = pictures(8)
    grey, flipped = images.mean(dim=1), AugmentPipe(lumaflip=1)(images, percentile=0.8)
    assert torch.allclose(flipped.mean(dim=1), -grey, atol=1e-6)
    assert torch.allclose(flipped + grey[:, None], images - grey[:, None], atol=1e-6)


def test_cutout_removes_a_quarter_in_the_middle() -> None:
    cut = cut_out(torch.ones(1, 3, 8, 12), Draws.fix_percentile(1, 0.5), chance=1)
    assert torch.all(cut[:, :, 2:6, 3:9] == 0)
    assert cut.sum() == 3 * (8 * 12 - 4 * 6)


def test_strength_of_the_noise() -> None:
    noise = AugmentPipe(noise=1)(torch.zeros(400, 3, 8, 8), generator=seeded(0))
    sigma = noise.std(dim=(1, 2, 3))
    assert sigma.square().mean().sqrt().item() == pytest.approx(0.1, rel=0.1)
    assert sigma.min() < 0.01
    assert sigma.max() > 0.2


def test_filter_without_gain_returns_the_image() -> None:
    images = pictures(2, side=9)  # shorter than the filter
    assert torch.allclose(amplify(images, torch.ones(2, 4, dtype=torch.float64)), images, atol=1e-5)


def test_filter_scales_what_is_constant_by_the_lowest_band() -> None:
    gains = torch.tensor([[0.5, 3, 1, 7]], dtype=torch.float64)
    assert torch.allclose(amplify(torch.ones(1, 3, 20, 24), gains), torch.full((1, 3, 20, 24), 0.25), atol=1e-5)


def test_filter_keeps_the_power_of_natural_images_where_one_band_changes() -> None:
    draws, spectrum = Draws.random(50, seeded(0)), torch.tensor([10, 1, 1, 1], dtype=torch.float64) / 13
    one = [draws.happens(f"imgfilter_band{band}", 0.3) for band in range(4)]
    gains = band_gains(draws, 0.3)[torch.stack(one).sum(dim=0) == 1]
    assert len(gains) > 10
    assert torch.allclose(gains.square() @ spectrum, torch.ones(len(gains), dtype=torch.float64))


def test_taps_of_the_symlet_are_orthonormal() -> None:
    taps = torch.tensor(SYM2, dtype=torch.float64)
    assert taps.square().sum().item() == pytest.approx(1, abs=1e-12)
    assert (taps[2:] * taps[:-2]).sum().item() == pytest.approx(0, abs=1e-12)


def test_p_is_a_buffer_that_takes_numbers() -> None:
    pipe = AugmentPipe(xflip=1)
    buffer = pipe.p
    pipe.p = 0.25
    assert pipe.p is buffer
    assert pipe.state_dict() == {"p": torch.tensor(0.25)}
    copy = deepcopy(pipe)
    copy.p = torch.tensor(0.5)
    assert (pipe.p.item(), copy.p.item()) == (0.25, 0.5)


@pytest.mark.parametrize("strength", [-1, float("nan"), float("inf")])
def test_strength_that_is_none(strength: float) -> None:
    with pytest.raises(ConfigError, match=rf"strength of hue is {strength}; expected 0 \(off\) or more"):
        AugmentPipe(hue=strength)


def test_an_unknown_transform_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no augmentation is called 'colour'; there are xflip, .*cutout"):
        AugmentPipe(colour=1)


@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_that_is_no_probability(p: float) -> None:
    with pytest.raises(ConfigError, match=f"p is {p:.1f}.*; expected 0 to 1"):
        pipe_at(p, xflip=1)(pictures(1))


@pytest.mark.parametrize("images", [torch.zeros(3, 8, 8), torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 8, 8).byte()])
def test_images_of_another_shape_or_type(images: Tensor) -> None:
    with pytest.raises(ConfigError, match=r"expected a floating type, \(n, 3, height, width\)"):
        AugmentPipe(xflip=1)(images)


def test_percentile_outside_its_range() -> None:
    with pytest.raises(ConfigError, match=r"percentile is 1\.0; expected between 0 and 1"):
        AugmentPipe(xflip=1)(pictures(1), percentile=1.0)


def test_draws_of_another_batch() -> None:
    with pytest.raises(ConfigError, match="2 rows of draws for 3 images"):
        AugmentPipe(xflip=1)(pictures(3), draws=Draws.random(2))
