"""Inverter that is an encoder alone: it finds a latent, and leaves the generator's kernels as they are.

Encoders into W, and those of pSp, e4e and ReStyle into W+. Pivotal tuning may start from their latents.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from core.errors import ConfigError
from core.precision import PrecisionChoice, dtype_of, resolve_precision
from gen.networks import Generator
from inversion.config import EncoderConfig, LayerEncoderConfig
from inversion.inverter import Inverter, Pass, check_faces
from inversion.networks.encoder import WEncoder, resize
from inversion.networks.layer_encoder import LayerEncoder
from inversion.quality import Judge
from inversion.result import Inversion


class EncoderInverter(Inverter):
    """Maps aligned faces to latents by an encoder alone; there is no hypernetwork.

    Args:
        generator: what the faces are reproduced with.
        encoder: configuration of the encoder.
        judge: measures what `invert` returns.

    Raises:
        ConfigError: the encoder has another number of rows than the generator has layers.
    """

    def __init__(
        self, generator: Generator, encoder: EncoderConfig | LayerEncoderConfig, judge: Judge = Judge()
    ) -> None:
        nn.Module.__init__(self)  # the networks of an inverter with a hypernetwork are not made
        if isinstance(encoder, LayerEncoderConfig) and encoder.rows != generator.config.num_ws:
            raise ConfigError(
                f"the encoder has {encoder.rows} rows, the generator {generator.config.num_ws} layers; take the "
                "encoder of a generator of this resolution"
            )
        self.generator = generator
        self.w_encoder = (
            LayerEncoder(encoder, generator.config.w_dim)
            if isinstance(encoder, LayerEncoderConfig)
            else WEncoder(encoder, generator.config.w_dim)
        )
        self.register_buffer("latent_avg", generator.mapping.w_avg.repeat(generator.config.num_ws, 1))
        self.judge = judge
        self.least_gain = None

    @property
    def _passes(self) -> int:
        return self.w_encoder.config.passes if isinstance(self.w_encoder, LayerEncoder) else 0

    def encode(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Encode faces (n, 3, h, h) to latents (n, num_ws, w_dim). An encoder with passes renders between them."""
        encoder = self.w_encoder
        if not isinstance(encoder, LayerEncoder) or not encoder.config.passes:
            answer = self._apply_encoder(images, dtype)
            return (answer[:, None] if answer.ndim == 2 else answer) + self.latent_avg
        side = encoder.config.side
        seen, w = resize(images, side), self.latent_avg.expand(len(images), -1, -1)
        picture = self._synthesize(self.latent_avg[None], dtype, {}).expand(len(images), -1, -1, -1)
        for number in range(encoder.config.passes):
            if number:
                picture = self._synthesize(w, dtype, {})
            w = w + self._apply_encoder(torch.cat([seen, resize(picture, side)], dim=1), dtype)
        return w

    def refine(self, images: Tensor, w: Tensor, passes: int, dtype: torch.dtype = torch.float32) -> Iterator[Pass]:
        """Yield the reconstruction of the latents; there is no hypernetwork, so `passes` has no effect."""
        yield Pass(0, {}, self._synthesize(w, dtype, {}))

    @torch.no_grad()
    def invert(self, images: Tensor, passes: int = 5, precision: PrecisionChoice = "float32") -> Inversion:
        """Find the latents of aligned faces. Arguments and errors as of `Inverter.invert`; `passes` has no effect."""
        check_faces(images)
        if passes < 0:
            raise ConfigError(f"{passes} passes; expected 0 or more")
        settled = resolve_precision(precision, images.device)
        dtype = dtype_of(settled)
        self.eval()
        target = resize(images, self.generator.config.resolution)
        w = self.encode(images, dtype)
        picture = self._synthesize(w, dtype, {})
        quality, steps = self.judge(picture, target), (self._passes,) * len(images)
        return Inversion(w, {}, picture.clamp(-1, 1), quality, steps, "encoder", settled)
