"""Resampling: exact where it can be, equal to the padded convolutions it replaces, differentiable."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from gen.augmentation.draws import Draws
from gen.augmentation.geometry import inverse_maps, rotation, scaling, translation
from gen.augmentation.resampling import SYM6, resample


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def pictures(count: int, height: int, width: int) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(99)) * 2 - 1


def drawn_maps(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    draws = Draws.random(count, torch.Generator().manual_seed(seed))
    return inverse_maps(draws, lambda _: 1.0, height, width)


def padded_convolutions(images: Tensor, maps: Tensor) -> Tensor:
    """The published way: pad by reflection as far as it goes, filter and sample the whole batch."""
    height, width = images.shape[2:]
    taps = torch.tensor(SYM6) / sum(SYM6)
    kernel = torch.outer(taps, taps)[None, None]
    padded = F.pad(images, (width - 1, width - 1, height - 1, height - 1), mode="reflect").flatten(0, 1)[:, None]
    large = F.conv_transpose2d(padded, kernel * 4, stride=2, padding=5).unflatten(0, images.shape[:2])[:, :, 0]
    half, two = numbers(0.5), numbers(2)
    maps = translation(-half, -half) @ scaling(two, two) @ maps @ scaling(half, half) @ translation(half, half)
    rows, columns = 2 * (height + 6), 2 * (width + 6)
    maps = scaling(two / large.shape[3], two / large.shape[2]) @ maps @ scaling(numbers(columns / 2), numbers(rows / 2))
    grid = F.affine_grid(maps[:, :2].float(), [len(images), 3, rows, columns], align_corners=False)
    sampled = F.grid_sample(large, grid, align_corners=False)[:, :, 1:-1, 1:-1].flatten(0, 1)[:, None]
    return F.conv2d(sampled, kernel, stride=2).unflatten(0, images.shape[:2])[:, :, 0]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (12, 20), (70, 48)])
def test_resampling_equals_padded_convolutions(height: int, width: int) -> None:
    images, maps = pictures(6, height, width), drawn_maps(6, height, width)
    assert torch.allclose(resample(images, maps), padded_convolutions(images, maps), atol=1e-4)


def test_a_full_turn_is_the_identity() -> None:
    images = pictures(2, 16, 16)
    assert torch.allclose(resample(images, rotation(numbers(2 * math.pi, -2 * math.pi))), images, atol=1e-5)


def blob(maps: Tensor | None = None, side: int = 48) -> Tensor:
    """(1, 3, side, side), smooth and without symmetry; drawn where maps (1, 3, 3) say that each pixel comes from."""
    line = torch.linspace(-(side - 1) / 2, (side - 1) / 2, side, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    places = torch.stack([x.flatten(), y.flatten(), torch.ones(side * side, dtype=torch.float64)])
    if maps is not None:
        places = maps[0] @ places
    x, y = places[:2] * 2 / side
    return torch.exp(-8 * ((x - 0.1) ** 2 + 2 * (y + 0.1) ** 2)).float().reshape(1, 1, side, side).repeat(1, 3, 1, 1)


@pytest.mark.parametrize(
    "maps",
    [
        rotation(numbers(0.7)),
        rotation(numbers(math.pi / 2)),
        scaling(numbers(-1), numbers(1)),
        scaling(numbers(0.8), numbers(1.3)) @ rotation(numbers(2)),
        translation(numbers(-3.3), numbers(5.7)),
    ],
)
def test_shows_what_lies_where_the_map_points(maps: Tensor) -> None:
    seen, expected = resample(blob(), maps), blob(maps)
    middle = torch.zeros(48, 48, dtype=torch.bool)
    middle[10:38, 10:38] = True
    assert ((seen - expected).abs() * middle).max() < 0.02
    assert ((blob() - expected).abs() * middle).max() > 0.1


def test_shifts_by_whole_pixels_are_exact_and_reflect() -> None:
    images = pictures(1, 16, 16)
    shifted = resample(images, translation(numbers(-3), numbers(2)))
    expected = F.pad(images, (3, 0, 0, 2), mode="reflect")[:, :, 2:, :16]
    assert torch.allclose(shifted, expected, atol=1e-5)


def test_beyond_the_reflection_is_black() -> None:
    assert not resample(pictures(1, 8, 8), translation(numbers(40), numbers(0))).any()


def test_an_image_does_not_depend_on_its_batch() -> None:
    images, maps = pictures(4, 16, 16), drawn_maps(4, 16, 16)
    assert torch.equal(resample(images[2:3], maps[2:3]), resample(images, maps)[2:3])


def test_gradients_and_their_gradients() -> None:
    images, maps = pictures(2, 4, 5).double().requires_grad_(), drawn_maps(2, 4, 5, seed=1)
    assert gradcheck(resample, (images, maps))
    assert gradgradcheck(lambda x: resample(x, maps).square(), (images,), fast_mode=True)


def test_taps_of_the_symlet() -> None:
    """Orthonormal to its own shifts by two, and its high-pass blind to polynomials of degree five."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    shifts = [(taps[2 * k :] * taps[: len(taps) - 2 * k]).sum().item() for k in range(6)]
    assert shifts == pytest.approx([1, 0, 0, 0, 0, 0], abs=1e-10)
    n = torch.arange(12, dtype=torch.float64)
    moments = [((-1) ** n * taps * (n / 12) ** degree).sum().item() for degree in range(6)]
    assert moments == pytest.approx([0] * 6, abs=1e-8)
