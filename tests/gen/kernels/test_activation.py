"""The passes between two convolutions, and their gradients, against PyTorch's operations in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gen.kernels.activation import activate, activate_in_place, convolve_and_activate, map_to_rgb, weigh

DTYPES = [torch.float32, torch.bfloat16]
LIMITS = [None, 1.5]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Numbers that bfloat16 holds exactly."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16().float()


def of_maps(dtype: torch.dtype) -> Tensor:
    return drawn(3, 8, 12, 10).to(dtype)


def answers(function: Callable[..., Tensor], inputs: Sequence[Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Result, gradients, gradients that can be differentiated, and the gradients of those.

    Args:
        dtype: of the maps, the first input; None for float64 throughout.
    """
    leaves = [x.double() if dtype is None else x.clone() for x in inputs]
    if dtype is not None:
        leaves[0] = leaves[0].to(dtype)
    leaves = [x.requires_grad_() for x in leaves]
    y = function(*leaves)
    direction = drawn(*y.shape, seed=1).to(y)
    once = torch.autograd.grad(y, leaves, direction, retain_graph=True)
    again = torch.autograd.grad(y, leaves, direction, create_graph=True)
    twice = torch.autograd.grad(sum(g.square().sum() for g in again), leaves, allow_unused=True)
    named = {"result": y}
    for kind, gradients in {"once": once, "again": again, "twice": twice}.items():
        named |= {f"{kind} {number}": g for number, g in enumerate(gradients) if g is not None}
    return named


def assert_same(function: Callable[..., Tensor], inputs: Sequence[Tensor], dtype: torch.dtype) -> None:
    got, expected = answers(function, inputs, dtype), answers(function, inputs, None)
    assert got.keys() == expected.keys()
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    for name, value in expected.items():
        error = (got[name].double() - value).norm() / (value.norm() + 1e-6)
        assert error < tolerance, name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("images", [3, 1])
def test_activated(dtype: torch.dtype, limit: float | None, images: int) -> None:
    inputs = of_maps(torch.float32), drawn(3, 8, seed=2), drawn(8, seed=3), drawn(images, 1, 12, 10, seed=4), drawn()
    # Where rounding in bfloat16 would decide on which side of a bend a value lies, the gradients differ for a reason.
    y, scale, bias, noise, strength = inputs
    v = y * scale[:, :, None, None] + bias[:, None, None] + noise * strength
    near = v.abs() < 0.05
    if limit is not None:
        near |= (F.leaky_relu(v, 0.2).abs() - limit).abs() < 0.05
    y = torch.where(near, y + 0.25 / scale[:, :, None, None], y).bfloat16().float()
    assert_same(lambda *x: activate(*x, limit), (y, scale, bias, noise, strength), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_activated_without_noise(dtype: torch.dtype) -> None:
    strength = torch.tensor(3.0)
    inputs = of_maps(torch.float32), drawn(3, 8, seed=2), drawn(8, seed=3)
    expected = F.leaky_relu(inputs[0] * inputs[1][:, :, None, None] + inputs[2][:, None, None], 0.2)
    tolerance = 1e-5 if dtype == torch.float32 else 2e-2
    y = activate(inputs[0].to(dtype), *inputs[1:], None, strength, None)
    torch.testing.assert_close(y.float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_weighted(dtype: torch.dtype) -> None:
    assert_same(weigh, (of_maps(torch.float32), drawn(3, 8, seed=2)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_shown(dtype: torch.dtype) -> None:
    assert_same(map_to_rgb, (of_maps(torch.float32), drawn(3, 3, 8, seed=2)), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", LIMITS)
def test_activate_in_place_overwrites(dtype: torch.dtype, limit: float | None) -> None:
    assert_same(lambda y: activate_in_place(y * 1, limit).square(), (of_maps(torch.float32),), dtype)
    y = of_maps(dtype)
    assert activate_in_place(y, limit).data_ptr() == y.data_ptr()


def test_what_is_clamped_has_no_gradient() -> None:
    y = torch.tensor([-20.0, -1, 1, 3]).reshape(1, 4, 1, 1).requires_grad_()
    activate_in_place(y * 1, 1.5).sum().backward()  # type: ignore[no-untyped-call]
    assert y.grad is not None
    torch.testing.assert_close(y.grad.flatten(), torch.tensor([0, 0.2, 1, 0]))


def test_sums_do_not_depend_on_the_threads() -> None:
    inputs = of_maps(torch.float32), drawn(3, 8, seed=2), drawn(8, seed=3), drawn(3, 1, 12, 10, seed=4), drawn()
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(answers(lambda *x: activate(*x, None), inputs, torch.float32))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0] if name.startswith("once"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize(("size", "stride", "padding"), [(3, 1, 1), (3, 2, 0), (1, 1, 0)])
def test_convolve_and_activate(dtype: torch.dtype, limit: float | None, size: int, stride: int, padding: int) -> None:
    inputs = of_maps(torch.float32), drawn(6, 8, size, size, seed=2) / 4, drawn(6, seed=3)

    def function(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        return convolve_and_activate(x, kernel.to(x.dtype), bias.to(x.dtype), stride, padding, limit)

    got, expected = answers(function, inputs, dtype), answers(function, inputs, None)
    assert got.keys() == expected.keys()
    # A value that bfloat16 rounds to the other side of the limit has another gradient.
    tolerance = 1e-4 if dtype == torch.float32 else 1e-1
    for name, value in expected.items():
        assert (got[name].double() - value).norm() < tolerance * (value.norm() + 1e-6), name
