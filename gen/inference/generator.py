"""A generator for inference on CPUs: latents in NumPy, images by OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from core.errors import ConfigError
from core.precision import Precision
from gen.config import GeneratorConfig
from gen.inference.engine import LARGEST_PART, Engine
from gen.inference.graph import Arrays, NoiseInput, build_synthesis
from gen.inference.mapping import Floats, LatentMapping

NoiseImages: TypeAlias = MappingType[str, Floats]
"""Noise (n or 1, 1, r, r) of every convolution, by its name."""

InferenceNoise: TypeAlias = Literal["const", "none"] | NoiseImages

_VALUES_AT_ONCE: Final = 1 << 20
"""Values of the largest maps that a core computes at a time, so that most of them stay in its cache."""


@dataclass(frozen=True)
class _ModelChoice:
    """The variant of the synthesis network that a model computes."""

    noise: NoiseInput
    pixels: bool
    kernel_offsets: frozenset[str]


class InferenceGenerator:
    """Conditional StyleGAN2 generator; models are compiled when they are first used.

    Args:
        tensors: named as in a checkpoint.
        config: of the network.
        threads: cores to use; None for all that the process may use.
    """

    def __init__(self, tensors: Arrays, config: GeneratorConfig, threads: int | None = None) -> None:
        self.config = config
        self.mapping = LatentMapping(tensors, config)
        self._tensors = tensors
        self._threads = threads
        self._lock = Lock()
        self._engines: dict[_ModelChoice, Engine] = {}
        values = max(config.channels(r) * r * r for r in config.block_resolutions)
        self._part = max(1, min(LARGEST_PART, _VALUES_AT_ONCE // values))

    def map(self, z: Floats, c: Floats | None, truncation: float = 1.0) -> Floats:
        """Compute latents (n, num_ws, w_dim), all num_ws alike, of random vectors (n, z_dim) and labels (n, c_dim).

        Raises:
            LabelError: labels of another shape.
        """
        return self.truncate(self.mapping(z, c), c, truncation)

    def truncate(self, w: Floats, c: Floats | None, truncation: float) -> Floats:
        """Draw latents w (n, w_dim) of labels (n, c_dim) towards their centre, and repeat them, (n, num_ws, w_dim)."""
        return np.repeat(self.mapping.truncate(w, c, truncation)[:, None], self.config.num_ws, axis=1)

    def synthesize(
        self,
        ws: Floats,
        noise: InferenceNoise = "const",
        precision: Precision = "float32",
        offsets: MappingType[str, Floats] | None = None,
    ) -> Floats:
        """Compute images (n, 3, h, h) float32, about [-1, 1] but not clipped, of latents (n, num_ws, w_dim).

        Args:
            noise: of the convolutions.
            precision: of the convolutions.
            offsets: of the kernels of some convolutions, by their names: (n, out, in, 3, 3), as in
                `gen.networks.Generator.synthesize`.

        Raises:
            ConfigError: latents of another shape.
        """
        images: Floats = self._run(ws, noise, precision, offsets or {}, pixels=False)
        return images

    def render(
        self, ws: Floats, noise: InferenceNoise = "const", precision: Precision = "float32"
    ) -> npt.NDArray[np.uint8]:
        """Compute images uint8 (n, h, h, 3) RGB of latents (n, num_ws, w_dim); errors as `synthesize`."""
        images: npt.NDArray[np.uint8] = self._run(ws, noise, precision, {}, pixels=True)
        return images

    def _run(
        self,
        ws: Floats,
        noise: InferenceNoise,
        precision: Precision,
        offsets: MappingType[str, Floats],
        *,
        pixels: bool,
    ) -> Any:
        expected = (self.config.num_ws, self.config.w_dim)
        if ws.ndim != 3 or ws.shape[1:] != expected:
            raise ConfigError(f"latents are {ws.shape}; expected (n, {expected[0]}, {expected[1]})")
        inputs = {"ws": ws.astype(np.float32, copy=False)}
        kind: NoiseInput = "given"
        if isinstance(noise, str):
            kind = noise
        else:
            inputs |= {f"noise.{name}": image for name, image in noise.items()}
        inputs |= {f"offset.{name}": offset for name, offset in offsets.items()}
        return self._engine(_ModelChoice(kind, pixels, frozenset(offsets))).run(inputs, precision)

    def _engine(self, choice: _ModelChoice) -> Engine:
        with self._lock:
            if choice not in self._engines:
                self._engines[choice] = Engine(
                    lambda: build_synthesis(
                        self._tensors,
                        self.config,
                        noise=choice.noise,
                        pixels=choice.pixels,
                        kernel_offsets=choice.kernel_offsets,
                    ),
                    part=1 if choice.kernel_offsets else self._part,
                    threads=self._threads,
                )
            return self._engines[choice]


def describe_tensors(config: GeneratorConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors that inference needs, by their names in a checkpoint."""
    shapes: dict[str, tuple[int, ...]] = {"mapping.w_avg": (config.w_dim,)}
    features = config.z_dim
    if (vocabulary := config.vocabulary) is not None:
        features *= 2
        half = config.z_dim // 2
        shapes["mapping.embed.condition_weight"] = (half, len(vocabulary.conditions))
        shapes["mapping.embed.age_weight"] = (config.z_dim - half, len(vocabulary.ages))
        shapes["mapping.embed.bias"] = (config.z_dim,)
        if config.truncation_centre == "label":
            shapes["mapping.label_centres"] = (len(vocabulary.conditions), len(vocabulary.ages), config.w_dim)
    for layer in range(config.mapping_layers):
        shapes[f"mapping.fc{layer}.weight"] = (config.w_dim, features if layer == 0 else config.w_dim)
        shapes[f"mapping.fc{layer}.bias"] = (config.w_dim,)
    inner = config.channels(4)
    shapes["synthesis.b4.const"] = (inner, 4, 4)
    for resolution in config.block_resolutions:
        block, out = f"synthesis.b{resolution}", config.channels(resolution)
        for name in config.list_block_convolutions(resolution):
            shapes |= _describe_modulated(f"{block}.{name}", config, (out, inner, 3, 3))
            shapes[f"{block}.{name}.noise_strength"] = ()
            shapes[f"{block}.{name}.noise_const"] = (resolution, resolution)
            inner = out
        shapes |= _describe_modulated(f"{block}.torgb", config, (3, out, 1, 1))
    return shapes


def _describe_modulated(
    name: str, config: GeneratorConfig, kernel: tuple[int, int, int, int]
) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.weight": kernel,
        f"{name}.bias": kernel[:1],
        f"{name}.affine.weight": (kernel[1], config.w_dim),
        f"{name}.affine.bias": kernel[1:2],
    }
