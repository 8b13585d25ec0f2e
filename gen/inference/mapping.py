"""The mapping network in NumPy: random vectors and labels to style latents."""

from __future__ import annotations

import math
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import LabelError
from gen.config import GeneratorConfig
from gen.inference.graph import SLOPE, SQRT2, Arrays

Floats: TypeAlias = npt.NDArray[np.float32]

LR_MULTIPLIER: Final = 0.01
"""Learning rate of the mapping layers, with which their stored weights are scaled (Karras et al. 2019)."""


class LatentMapping:
    """Mapping of z (n, z_dim) and labels c (n, c_dim) to style latents w (n, w_dim), as `gen.networks.LatentMapping`.

    Args:
        tensors: of a generator, named as in its checkpoint.
        config: of the same generator.
    """

    def __init__(self, tensors: Arrays, config: GeneratorConfig) -> None:
        self._config = config
        self._layers = []
        for number in range(config.mapping_layers):
            weight = tensors[f"mapping.fc{number}.weight"].astype(np.float32)
            gain = np.float32(LR_MULTIPLIER / math.sqrt(weight.shape[1]))
            self._layers.append((weight.T * gain, tensors[f"mapping.fc{number}.bias"] * np.float32(LR_MULTIPLIER)))
        self.w_avg: Floats = tensors["mapping.w_avg"]
        """Average latent (w_dim,)."""
        self.label_centres: Floats | None = tensors.get("mapping.label_centres")
        self._embedding: Floats | None = None
        if config.vocabulary is not None:
            self._embedding, self._embedding_bias = read_embedding(tensors, config.c_dim)

    def __call__(self, z: Floats, c: Floats | None) -> Floats:
        """Compute the latents w (n, w_dim).

        Raises:
            LabelError: labels of another shape than (n, c_dim).
        """
        x = _normalize(z)
        if self._embedding is not None:
            x = np.concatenate([x, _normalize(self._check(c, len(z)) @ self._embedding + self._embedding_bias)], axis=1)
        for weight, bias in self._layers:
            x = x @ weight + bias
            x = np.maximum(x, x * np.float32(SLOPE)) * np.float32(SQRT2)
        return x

    def truncate(self, w: Floats, c: Floats | None, truncation: float) -> Floats:
        """Draw latents w (n, w_dim) towards the average latent, or the centre of each label."""
        if truncation == 1:
            return w
        centre = self._find_centre(c)
        return centre + np.float32(truncation) * (w - centre)

    def _find_centre(self, c: Floats | None) -> Floats:
        if self.label_centres is None or c is None:
            return self.w_avg
        condition, age = np.split(c, [self.label_centres.shape[0]], axis=1)
        centre: Floats = np.einsum("nc,na,caw->nw", condition, age, self.label_centres, dtype=np.float32)
        return centre

    def _check(self, c: Floats | None, n: int) -> Floats:
        if c is None or c.shape != (n, self._config.c_dim):
            got = "none" if c is None else c.shape
            raise LabelError(f"labels are {got}; expected ({n}, {self._config.c_dim}), as Vocabulary.encode makes them")
        return c


def read_embedding(tensors: Arrays, c_dim: int) -> tuple[Floats, Floats]:
    """Return the split embedding as one matrix (c_dim, z_dim), zero where a half ignores a column, and its bias."""
    condition, age = (tensors[f"mapping.embed.{name}_weight"] for name in ("condition", "age"))
    matrix = np.zeros((c_dim, len(condition) + len(age)), np.float32)
    matrix[: condition.shape[1], : len(condition)] = condition.T
    matrix[condition.shape[1] :, len(condition) :] = age.T
    return matrix * np.float32(1 / math.sqrt(c_dim)), tensors["mapping.embed.bias"]


def _normalize(x: Floats) -> Floats:
    scaled: Floats = x / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + np.float32(1e-8))
    return scaled
