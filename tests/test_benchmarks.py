"""What the benchmarks compare us with computes the same."""

from __future__ import annotations

import pytest
import torch

from benchmarks.published import published_way
from gen.layers import Conv, SynthesisConv, ToRGB
from tests.gen.fixtures import discriminator_32, fixture, generator_32


@torch.no_grad()
@pytest.mark.parametrize("per_image_kernels", [False, True])
@pytest.mark.parametrize("clamp", [None, 1.0])
def test_the_published_way_meets_the_fixtures(per_image_kernels: bool, clamp: float | None) -> None:
    f, d = fixture("generator_cond_32"), fixture("discriminator_cond_32")
    clamped = fixture("clamp_32")
    with published_way(per_image_kernels=per_image_kernels):
        images = generator_32(clamp)(f["z"], f["c"])
        logits = discriminator_32(clamp)(d["image"], d["c"])
    expected = (f["image_const"], d["logits"]) if clamp is None else (clamped["image_const"], clamped["logits"])
    torch.testing.assert_close(images, expected[0], atol=2e-4, rtol=0)
    torch.testing.assert_close(logits, expected[1], atol=2e-4, rtol=0)


def test_our_way_comes_back() -> None:
    before = [layer.forward for layer in (SynthesisConv, ToRGB, Conv)]
    with pytest.raises(ZeroDivisionError), published_way(per_image_kernels=False):
        raise ZeroDivisionError
    assert [layer.forward for layer in (SynthesisConv, ToRGB, Conv)] == before
