"""Observer: a small network that reads which HPO terms are present from the picture of a phantom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.phenotypes.persons import FREQUENCY, Faces
from faces.oracle.attribute_training import OracleTrainingConfig, learn

ORIENTATIONS: Final = 8
_CELL: Final = 4  # pixels that are averaged
_BATCH: Final = 100


class Observer(nn.Module):
    """Edges and colours (n, 11, 32, 32) -> logits (n, terms), positive if the term is more likely there than not.

    Its first layer is fixed (`describe_edges`), so that it learns from few faces in a minute.

    Args:
        terms: number of terms.
    """

    def __init__(self, terms: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(ORIENTATIONS + 3),
            nn.Conv2d(ORIENTATIONS + 3, 48, 3, 2, 1, bias=False),
            nn.BatchNorm2d(48),
            nn.ReLU(),
            nn.Conv2d(48, 96, 3, 2, 1, bias=False),
            nn.BatchNorm2d(96),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(96 * 64, 256, bias=False),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(256, terms),
        )

    def forward(self, edges: Tensor) -> Tensor:
        logits: Tensor = self.layers(edges)
        return logits


def describe_edges(images: npt.NDArray[np.uint8]) -> Tensor:
    """Compute the strength of edges in eight directions and the colour of each cell of 4 x 4 pixels.

    Args:
        images: uint8 (n, 128, 128, 3).

    Returns:
        (n, 11, 32, 32) float32. Edges are relative to the mean of their surroundings, so that they do not follow the
        brightness of the skin.
    """
    parts = []
    for start in range(0, len(images), _BATCH):
        x = torch.from_numpy(images[start : start + _BATCH]).permute(0, 3, 1, 2).float() / 255
        grey = F.pad(x.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
        across = grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2]
        down = grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1]
        angles = torch.arange(ORIENTATIONS) * (2 * torch.pi / ORIENTATIONS)
        edges = F.relu(across * angles.cos()[:, None, None] + down * angles.sin()[:, None, None])
        pooled = F.avg_pool2d(edges, _CELL)
        surroundings = F.avg_pool2d(pooled.mean(dim=1, keepdim=True), 5, 1, 2, count_include_pad=False)
        parts.append(torch.cat([pooled / (surroundings + 0.01), F.avg_pool2d(x, _CELL)], dim=1))
    return torch.cat(parts)


def train_observer(
    faces: Faces, config: OracleTrainingConfig, on_progress: Callable[[int, int, float], None]
) -> Observer:
    """Train an observer on faces and their mirror images. Terms that cannot be seen do not count.

    Returns:
        The observer in evaluation mode.
    """
    edges = torch.cat([describe_edges(faces.images), describe_edges(faces.images[:, :, ::-1].copy())])
    present = torch.from_numpy(faces.present).float().repeat(2, 1)
    visible = torch.from_numpy(faces.visible).float().repeat(2, 1)
    weight = torch.tensor((1 - FREQUENCY) / FREQUENCY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        observer = Observer(present.shape[1]).train()

        def loss_of(chosen: Tensor) -> Tensor:
            logits = observer(edges[chosen])
            return F.binary_cross_entropy_with_logits(logits, present[chosen], visible[chosen], pos_weight=weight)

        learn(observer, len(edges), config, loss_of, on_progress)
    return observer.eval().requires_grad_(False)


def read_terms(observer: Observer, faces: Faces) -> npt.NDArray[np.bool_]:
    """Read which terms are present: (n, terms) bool."""
    with torch.inference_mode():
        logits = torch.cat([observer(part) for part in torch.split(describe_edges(faces.images), _BATCH)])
    return np.asarray((logits > 0).numpy())


def balanced_accuracy(read: npt.NDArray[np.bool_], faces: Faces) -> npt.NDArray[np.float64]:
    """Compute the mean of sensitivity and specificity of each term, over the faces where it can be seen: (terms,)."""
    there, gone = faces.present & faces.visible, ~faces.present & faces.visible
    sensitivity = (read & there).sum(axis=0) / there.sum(axis=0)
    specificity = (~read & gone).sum(axis=0) / gone.sum(axis=0)
    return np.asarray((sensitivity + specificity) / 2)
