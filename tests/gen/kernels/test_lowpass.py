"""The low-pass filter against zeros, padding and a depthwise convolution, and its gradients."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gen.kernels.lowpass import LOW_PASS, Way, low_pass


def slow(x: Tensor, way: Way) -> Tensor:
    if way is Way.DOUBLE:
        n, c, h, w = x.shape
        zeros = x.new_zeros(n, c, 2 * h, 2 * w)
        zeros[:, :, ::2, ::2] = x
        x = F.pad(zeros, (2, 1, 2, 1))
    else:
        x = F.pad(x, (2 if way is Way.LENGTHEN else 1,) * 4)
    y = F.conv2d(x, LOW_PASS.to(x).expand(x.shape[1], 1, 4, 4), groups=x.shape[1])
    return y[:, :, ::2, ::2] if way is Way.HALVE else y


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(4, 4), (6, 14)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_filters_as_the_convolution_does(
    way: Way, dtype: torch.dtype, size: tuple[int, int], layout: torch.memory_format
) -> None:
    x = torch.randn(2, 5, *size, generator=torch.Generator().manual_seed(0)).to(dtype)
    fast = low_pass(x.contiguous(memory_format=layout), way, LOW_PASS)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-2
    assert fast.dtype == dtype
    torch.testing.assert_close(fast.float(), slow(x.float(), way), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_the_filter_is_the_adjoint(way: Way, dtype: torch.dtype) -> None:
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 8, 8, generator=draws).to(dtype).requires_grad_()
    y = low_pass(x, way, 4 * LOW_PASS)
    g = torch.randn(y.shape, generator=draws).to(dtype)
    (gradient,) = torch.autograd.grad(y, x, g)
    same = x.detach().float().requires_grad_()
    (expected,) = torch.autograd.grad(4 * slow(same, way), same, g.float())
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    torch.testing.assert_close(gradient.float(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("way", Way)
def test_can_be_differentiated_twice(way: Way) -> None:
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: low_pass(x, way, LOW_PASS), x)
    assert torch.autograd.gradgradcheck(lambda x: low_pass(x, way, LOW_PASS).square(), x)
