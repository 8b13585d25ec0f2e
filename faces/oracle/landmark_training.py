"""Training the landmark network on phantoms, and measuring it on phantoms that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from core.errors import ConfigError
from faces.detect import MIRRORED
from faces.expression import CALIBRATED
from faces.images import Pixels
from faces.oracle.attribute_network import SIDE, round_weights
from faces.oracle.attribute_training import OracleTrainingConfig, degrade, learn
from faces.oracle.landmark_network import LandmarkNetwork

_WEIGHTS: Final = torch.ones(68, 1)
_WEIGHTS[36:] = 3.0
"""Of the landmarks in the loss: eyes and mouth, from which expressions are read, count more."""

_TURN: Final = 0.15
_SCALE: Final = 0.1
_SHIFT_PX: Final = 4.0


def train_landmarks(
    images: Pixels,
    landmarks: npt.NDArray[np.floating],
    config: OracleTrainingConfig,
    *,
    on_progress: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> LandmarkNetwork:
    """Train a landmark network; return it in evaluation mode, with its weights rounded as its file will hold them.

    Args:
        images: uint8 (n, 128, 128, 3) phantoms.
        landmarks: (n, 68, 2) of each, in pixels.
        on_progress: called after each step with its number, the number of all and the loss (pixels).

    Raises:
        ConfigError: images or landmarks of another shape, or fewer than a batch.
    """
    if images.shape[1:] != (SIDE, SIDE, 3) or landmarks.shape != (len(images), 68, 2) or len(images) < config.batch:
        raise ConfigError(
            f"images are {images.shape} and landmarks {landmarks.shape}; expected (n, {SIDE}, {SIDE}, 3) and "
            f"(n, 68, 2), n of {config.batch} or more"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = LandmarkNetwork().train()
        points = torch.from_numpy(landmarks).float()
        network.mean.copy_(points.mean(dim=0))
        pixels = torch.from_numpy(images)

        def loss_of(chosen: Tensor) -> Tensor:
            faces, places = move_faces(pixels[chosen].permute(0, 3, 1, 2).float() / 127.5 - 1, points[chosen])
            off = F.smooth_l1_loss(network(degrade(faces)), places, reduction="none")
            return (_WEIGHTS * off).mean()

        learn(network, len(images), config, loss_of, on_progress)
    round_weights(network)
    return network.eval().requires_grad_(False)


def move_faces(images: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
    """Turn, scale and shift faces (n, 3, h, h) and their landmarks (n, 68, 2) a little, and mirror every other one.

    Draws from PyTorch's default stream.
    """
    n, side = len(images), images.shape[2]
    images, landmarks = images.clone(), landmarks.clone()
    images[::2] = images[::2].flip(3)
    landmarks[::2] = landmarks[::2][:, MIRRORED]
    landmarks[::2, :, 0] = side - 1 - landmarks[::2, :, 0]
    angle, scale = _TURN * (2 * torch.rand(n) - 1), 1 + _SCALE * (2 * torch.rand(n) - 1)
    shift = _SHIFT_PX / SIDE * 2 * (2 * torch.rand(n, 2) - 1)
    turn = (
        torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).reshape(n, 2, 2)
        * scale[:, None, None]
    )
    # The grid says where each new pixel comes from, in [-1, 1] over the picture; landmarks go the other way.
    grid = F.affine_grid(torch.cat([turn, shift[:, :, None]], dim=2), list(images.shape), align_corners=False)
    faces = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    relative = (landmarks + 0.5) * 2 / side - 1
    back = torch.linalg.solve(turn, (relative - shift[:, None]).transpose(1, 2)).transpose(1, 2)
    return faces, (back + 1) * side / 2 - 0.5


def measure(
    found: npt.NDArray[np.floating], true: npt.NDArray[np.floating], smile: npt.NDArray[np.floating]
) -> dict[str, Any]:
    """Measure the error of a network on phantoms that it has not seen, JSON-able.

    Args:
        found, true: landmarks (n, 68, 2) in pixels.
        smile: (n,) the smile that was drawn.
    """
    apart = np.linalg.norm(found - true, axis=2)
    eyes = np.linalg.norm(true[:, 36:42].mean(axis=1) - true[:, 42:48].mean(axis=1), axis=1)
    read, best = CALIBRATED(found), CALIBRATED(true)
    return {
        "phantoms": len(found),
        "error_px": round(float(apart.mean()), 4),
        "error_mouth_px": round(float(apart[:, 48:].mean()), 4),
        "error_of_eye_distance": round(float((apart / eyes[:, None]).mean()), 5),
        "smile_correlation": round(float(np.corrcoef(read, smile)[0, 1]), 4),
        "smile_error": round(float(np.abs(read - smile).mean()), 4),
        "smile_correlation_of_true_landmarks": round(float(np.corrcoef(best, smile)[0, 1]), 4),
    }
