"""Optimizer and learning rate of the training of a classifier."""

from __future__ import annotations

import math

import torch

from recognition.config import ClassifierTrainingConfig
from recognition.networks.architectures import Network


def build_optimizer(config: ClassifierTrainingConfig, network: Network) -> torch.optim.Optimizer:
    """Build the optimizer, with parameter groups for trunk and head; only kernels have weight decay, as is usual."""
    groups = []
    for part, rate in ((network.trunk, 1.0), (network.head, config.head_rate)):
        kernels = [parameter for parameter in part.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in part.parameters() if parameter.ndim <= 1]
        groups += [
            {"params": kernels, "rate": rate, "weight_decay": config.weight_decay},
            {"params": others, "rate": rate, "weight_decay": 0.0},
        ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, config.learning_rate, momentum=config.momentum)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, config.learning_rate, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameter groups; each has its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]


def learning_rate_at(config: ClassifierTrainingConfig, epochs: float) -> float:
    """Compute the learning rate after a number of epochs, which may be a fraction."""
    if epochs < config.warmup_epochs:
        return config.learning_rate * (config.warmup_from + (1 - config.warmup_from) * epochs / config.warmup_epochs)
    if config.schedule == "constant":
        return config.learning_rate
    since = epochs - config.warmup_epochs
    if config.schedule == "cosine":
        turn = since / max(1, config.epochs - config.warmup_epochs)
    else:
        turn = math.fmod(since, config.restart_epochs) / config.restart_epochs
    return config.learning_rate * (1 + math.cos(math.pi * turn)) / 2
