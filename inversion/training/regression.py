"""Initial encoder by least squares, from features of generated faces to their latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

import torch
from torch import Tensor

from gen.networks import Discriminator, Generator
from gen.torch_inference import synthesize_images
from inversion.networks.trunk_encoder import TrunkEncoder

SAMPLES: Final = 20_000
CHUNK: Final = 64

_RIDGES: Final = (1e-3, 1e-2, 1e-1)
"""Ridge penalties, relative to the mean square of a standardised feature; a tenth of the faces decides between them."""

STANDARDISED_CHUNKS: Final = 16
"""Chunks that mean and deviation of the features come from."""


@torch.no_grad()
def fit_trunk_encoder(
    encoder: TrunkEncoder,
    discriminator: Discriminator,
    generator: Generator,
    labels: Tensor | None,
    samples: int = SAMPLES,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> float:
    """Give an encoder the trunk of a discriminator, and the last layer that fits generated faces best.

    Args:
        encoder: of the discriminator's sizes; changed in place.
        discriminator: whose blocks it gets.
        generator: makes the faces.
        labels: (m, c_dim), drawn from evenly; None without.
        samples: faces, of which a tenth chooses the ridge and measures.
        on_progress: called with the number of faces made since the last call.

    Returns:
        Mean squared error of the latents of that tenth, relative to their variance.
    """
    whole = discriminator.state_dict()
    encoder.trunk.load_state_dict({name: whole[name] for name in encoder.trunk.state_dict()})
    chunks = max(samples // CHUNK, 2 * STANDARDISED_CHUNKS)
    pairs = ((encoder.features(images), w) for images, w in _generate_faces(generator, labels, chunks, seed))
    first = []
    for _ in range(STANDARDISED_CHUNKS):
        first.append(next(pairs))
        on_progress(CHUNK)
    _standardise(encoder, torch.cat([x for x, _ in first]))
    outputs, inputs = encoder.linear.weight.shape
    size = inputs + 1
    squares = torch.zeros(size, size, device=encoder.mean.device)
    products = torch.zeros(size, outputs, device=encoder.mean.device)
    kept = []
    for number, (x, w) in enumerate(chain(first, pairs)):
        if number >= STANDARDISED_CHUNKS:
            on_progress(CHUNK)
        if number % 10 == 0:
            kept.append((x, w))
        else:
            rows = _make_rows(encoder, x)
            squares += rows.T @ rows
            products += rows.T @ w
    unseen, truth = _make_rows(encoder, torch.cat([x for x, _ in kept])), torch.cat([w for _, w in kept])
    fits = [_solve_ridge(squares, products, ridge) for ridge in _RIDGES]
    errors = [(unseen @ fit - truth).square().mean().item() for fit in fits]
    best = fits[errors.index(min(errors))]
    encoder.linear.weight.copy_(best[:-1].T / encoder.linear.weight_gain)
    encoder.linear.bias.copy_(best[-1] / encoder.linear.bias_gain)
    return min(errors) / truth.var(dim=0).mean().item()


def _generate_faces(
    generator: Generator, labels: Tensor | None, chunks: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Generate faces (CHUNK, 3, h, h), and their latents minus the average latent (CHUNK, w_dim)."""
    draw = torch.Generator().manual_seed(seed)
    device = generator.mapping.w_avg.device
    for _ in range(chunks):
        z = torch.randn(CHUNK, generator.config.z_dim, generator=draw).to(device)
        c = None if labels is None else labels[torch.randint(len(labels), (CHUNK,), generator=draw)].to(device)
        w = generator.map(z, c)
        yield synthesize_images(generator, w).clamp(-1, 1), w[:, 0] - generator.mapping.w_avg


def _standardise(encoder: TrunkEncoder, features: Tensor) -> None:
    encoder.mean.copy_(features.mean(dim=0))
    encoder.deviation.copy_(features.std(dim=0).clamp_min(1e-4))


def _make_rows(encoder: TrunkEncoder, features: Tensor) -> Tensor:
    """Return standardised features and a constant, (n, features + 1)."""
    x = (features - encoder.mean) / encoder.deviation
    return torch.cat([x, torch.ones_like(x[:, :1])], dim=1)


def _solve_ridge(squares: Tensor, products: Tensor, ridge: float) -> Tensor:
    count = squares[-1, -1]
    penalty = torch.full_like(squares[0], ridge * count.item())
    penalty[-1] = 0
    solved: Tensor = torch.linalg.solve((squares + penalty.diag()).double(), products.double())
    return solved.float()
