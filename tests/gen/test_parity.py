"""Our networks against the numbers of the reference implementation (shared fixtures, float32)."""

from __future__ import annotations

import torch
from torch import Tensor

from gen.networks import Discriminator, Generator
from gen.official import load_stylegan2_ada
from tests.data.fill import filled
from tests.gen.fixtures import (
    DFFHQ256,
    FFHQ256,
    discriminator_32,
    fixture,
    generator_32,
    published_tensors,
)


def error(ours: Tensor, theirs: Tensor) -> float:
    return (ours - theirs).abs().max().item()


@torch.no_grad()
def test_the_conditional_generator_is_the_reference() -> None:
    f, net = fixture("generator_cond_32"), generator_32()
    w, w_psi05 = net.map(f["z"], f["c"]), net.map(f["z"], f["c"], truncation=0.5)
    assert error(w[:, 0], f["w"]) < 2e-4
    assert error(w_psi05[:, -1], f["w_psi05"]) < 2e-4
    assert error(net.synthesize(w), f["image_const"]) < 2e-4
    assert error(net.synthesize(w, noise="none"), f["image_none"]) < 2e-4
    assert error(net.synthesize(w_psi05), f["image_psi05"]) < 2e-4


@torch.no_grad()
def test_the_conditional_discriminator_is_the_reference() -> None:
    f = fixture("discriminator_cond_32")
    assert error(discriminator_32()(f["image"], f["c"]), f["logits"]) < 1e-4


@torch.no_grad()
def test_clamped_layers_are_the_reference() -> None:
    g, d, f = fixture("generator_cond_32"), fixture("discriminator_cond_32"), fixture("clamp_32")
    assert error(generator_32(clamp=1.0)(g["z"], g["c"]), f["image_const"]) < 2e-4
    assert error(discriminator_32(clamp=1.0)(d["image"], d["c"]), f["logits"]) < 2e-4


def test_the_r1_gradient_is_the_reference() -> None:
    f = fixture("r1_32")
    images = f["image"].requires_grad_()
    (grad,) = torch.autograd.grad(discriminator_32()(images, f["c"]).sum(), images)
    assert error(grad, f["grad"]) < 1e-3 * f["grad"].abs().max()
    penalty = grad.square().sum(dim=(1, 2, 3))
    assert ((penalty - f["r1_penalty"]).abs() / f["r1_penalty"]).max() < 1e-3


@torch.no_grad()
def test_the_generator_of_256_px_is_the_reference() -> None:
    f = fixture("generator_ffhq256")
    net = load_stylegan2_ada(Generator(FFHQ256), published_tensors("generator_ffhq256"))
    w = net.map(f["z"])
    images = net.synthesize(w)
    assert error(w[:, 0], f["w"]) < 1e-3
    assert error(torch.nn.functional.avg_pool2d(images, 8), f["image_pooled32"]) < 1e-3
    assert error(images[:, :, 96:128, 96:128], f["image_patch"]) < 1e-3
    assert error(images.std(dim=(1, 2, 3)), f["image_std"]) < 1e-3


@torch.no_grad()
def test_the_discriminator_of_256_px_is_the_reference() -> None:
    f = fixture("discriminator_ffhq256")
    net = load_stylegan2_ada(Discriminator(DFFHQ256), published_tensors("discriminator_ffhq256"))
    images = torch.from_numpy(filled("img256", (4, 3, 256, 256), 0, 0.5)).clip(-1, 1)
    assert error(net(images), f["logits"]) < 1e-3
