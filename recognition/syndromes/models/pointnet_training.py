"""Training of PointNet with PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.syndromes.features.face_points import Ints
from recognition.syndromes.features.layout import LANDMARKS, POINTS, Layout
from recognition.syndromes.models.estimator import Floats, Matrix
from recognition.syndromes.models.pointnet_predictor import Dense, PointNetPredictor

_SHARED: Final = (3, 32, 64, 256)
_HEAD: Final = (256, 64, 1)
_DROPOUT: Final = 0.3


@dataclass(frozen=True)
class Schedule:
    """Numbers of a training.

    Attributes:
        epochs: passes over the training faces.
        rate: learning rate of Adam.
        batch: faces in a batch.
        most_points: random points of a face that each step takes; None for all.
        seed: seed of everything that is drawn.
    """

    epochs: int
    rate: float
    batch: int
    most_points: int | None
    seed: int


class PointNetwork(nn.Module):
    """Points (n, m, 3) -> logits (n,) of the syndrome."""

    def __init__(self) -> None:
        super().__init__()
        layers = [
            nn.Sequential(nn.Linear(inside, outside, bias=False), nn.BatchNorm1d(outside))
            for inside, outside in pairwise(_SHARED)
        ]
        self.shared = nn.ModuleList(layers)
        self.hidden = nn.Sequential(nn.Linear(*_HEAD[:2], bias=False), nn.BatchNorm1d(_HEAD[1]))
        self.last = nn.Linear(*_HEAD[1:])

    def describe(self, points: Tensor) -> Tensor:
        """Compute the maxima (n, d) over the points."""
        x = points.reshape(-1, 3)
        for layer in self.shared:
            x = F.relu(layer(x))
        return x.reshape(len(points), -1, x.shape[1]).amax(dim=1)

    def forward(self, points: Tensor) -> Tensor:
        hidden = F.dropout(F.relu(self.hidden(self.describe(points))), _DROPOUT, self.training)
        logits: Tensor = self.last(hidden)[:, 0]
        return logits


def train_pointnet(layout: Layout, X: Matrix, patients: npt.NDArray[np.bool_], schedule: Schedule) -> PointNetPredictor:
    """Train on faces (n, layout.width); the global random state does not change."""
    points = _points(layout, X)
    *_, network = _learn(points, torch.from_numpy(patients), [schedule.epochs], schedule)
    with torch.inference_mode():
        usual = network.describe(points[torch.from_numpy(~patients)]).mean(dim=0).numpy()
    shared = tuple(_fold_normalisation(layer) for layer in network.shared)  # type: ignore[arg-type]
    last = Dense(network.last.weight.detach().numpy(), network.last.bias.detach().numpy())
    landmarks = X[:, layout[LANDMARKS]].mean(axis=0, dtype=np.float64).reshape(68, 2).astype(np.float32)
    head = (_fold_normalisation(network.hidden), last)
    return PointNetPredictor(layout, shared, head, usual, points.mean(dim=0).numpy(), landmarks)


def choose_schedule(
    layout: Layout,
    X: Matrix,
    patients: npt.NDArray[np.bool_],
    folds: Ints,
    epochs: Sequence[int],
    rates: Sequence[float],
    schedule: Schedule,
) -> Schedule:
    """Return the schedule with the epochs and the learning rate of the smallest log loss on unseen folds.

    Args:
        folds: (n,) inner fold of each face.
        schedule: the other numbers.
    """
    points, labels = _points(layout, X), torch.from_numpy(patients)
    losses: Floats = np.zeros((len(rates), len(epochs)))
    for fold in np.unique(folds):
        unseen = torch.from_numpy(folds == fold)
        for row, rate in enumerate(rates):
            networks = _learn(points[~unseen], labels[~unseen], epochs, replace(schedule, rate=rate))
            for column, network in enumerate(networks):
                with torch.inference_mode():
                    loss = F.binary_cross_entropy_with_logits(network(points[unseen]), labels[unseen].float())
                losses[row, column] += float(loss)
    row, column = divmod(int(losses.argmin()), len(epochs))
    return replace(schedule, epochs=epochs[column], rate=rates[row])


def _learn(points: Tensor, labels: Tensor, stops: Sequence[int], schedule: Schedule) -> Iterator[PointNetwork]:
    """Train, and yield the network in evaluation mode after each of these numbers of epochs, in ascending order."""
    most_points = min(points.shape[1], schedule.most_points or points.shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(schedule.seed)
        network = PointNetwork()
        optimizer = torch.optim.Adam(network.parameters(), schedule.rate)
        state = torch.get_rng_state()
    for epoch in range(1, max(stops) + 1):
        network.train()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(state)
            # Batches of nearly equal size: one of a single face has no deviation to normalise by.
            for chosen in torch.randperm(len(points)).tensor_split(max(1, len(points) // schedule.batch)):
                optimizer.zero_grad()
                seen = points[chosen][:, torch.randperm(points.shape[1])[:most_points]]
                loss = F.binary_cross_entropy_with_logits(network(seen), labels[chosen].float())
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            state = torch.get_rng_state()
        if epoch in stops:
            yield settle_batch_norms(network, points)


@torch.no_grad()
def settle_batch_norms(network: PointNetwork, points: Tensor) -> PointNetwork:
    """Measure the normalisations over all training faces, because running means of a few steps are far from them."""
    normalisations = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm1d)]
    for layer in normalisations:
        layer.reset_running_stats()
        layer.momentum = None
    network.train()
    with torch.random.fork_rng(devices=[]):
        network(points)
    return network.eval()


def _fold_normalisation(layer: nn.Sequential) -> Dense:
    """Return the layer with its normalisation as one dense layer."""
    linear, norm = layer
    assert isinstance(norm, nn.BatchNorm1d)  # noqa: S101 - tells the type checker
    assert norm.running_var is not None and norm.running_mean is not None  # noqa: S101, PT018
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    weight = scale[:, None] * linear.weight.detach()  # type: ignore[operator]
    bias = norm.bias.detach() - scale * norm.running_mean
    return Dense(weight.numpy(), bias.numpy())


def _points(layout: Layout, X: Matrix) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(X[:, layout[POINTS]])).reshape(len(X), -1, 3)
