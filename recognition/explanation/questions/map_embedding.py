"""Networks that embed composite maps: EfficientNet-B4, or the features of a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recognition.ensemble import Ensemble
from recognition.explanation.questions.age_groups import Embedding, embed_by
from recognition.networks.architectures import build
from recognition.networks.backbone_weights import load_backbone

PUBLISHED_NETWORK: Final = "efficientnet-b4"


@dataclass(frozen=True)
class NamedEmbedding:
    """Embedding of maps, and its name for reports."""

    name: str
    compute: Embedding


def choose_embedding(ensemble: Ensemble, weights: Path | None) -> NamedEmbedding:
    """Return the embedding of an EfficientNet-B4 with these weights; without any, of the first classifier's features.

    Raises:
        CheckpointError: the weights cannot be read, or are those of another network.
    """
    first = ensemble.classifiers[0]
    if weights is None:
        return NamedEmbedding(
            f"features of classifier {ensemble.names[0]} before its last layer, network {first.config.network}; "
            f"no weights of {PUBLISHED_NETWORK} were given",
            embed_by(first.network.trunk),
        )
    network = build(PUBLISHED_NETWORK, 1, first.config.size).eval()
    digest = load_backbone(network, weights)
    return NamedEmbedding(f"{PUBLISHED_NETWORK} with weights {digest[:16]}", embed_by(network.trunk))
