"""Inverter: an encoder proposes a latent, and a hypernetwork adapts the generator's kernels to the photograph.

Roich et al. 2021 and Alaluf et al. 2022 (HyperStyle). A pass shows the hypernetwork the face and the current
reconstruction; what it answers is added to the offsets of the kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.errors import ConfigError, ImageError
from core.precision import Precision, PrecisionChoice, dtype_of, precision_of, resolve_precision
from gen.networks import Generator
from gen.torch_inference import synthesize_images
from inversion.config import EncoderConfig, HypernetworkConfig, TrunkConfig
from inversion.inference.compiled import ENCODERS, HYPERNETWORKS, Answer
from inversion.networks.encoder import WEncoder, resize
from inversion.networks.hypernetwork import Hypernetwork
from inversion.networks.layer_encoder import LayerEncoder
from inversion.networks.trunk_encoder import TrunkEncoder
from inversion.quality import Judge
from inversion.result import Inversion, Offsets
from inversion.similarity import mean_square


@dataclass(frozen=True)
class Pass:
    """Result of one pass over n images.

    Attributes:
        number: 0 for the encoder alone.
        offsets: of the kernels, all passes so far added up.
        reconstruction: (n, 3, h, h).
    """

    number: int
    offsets: Offsets
    reconstruction: Tensor


class Inverter(nn.Module):
    """Maps aligned faces to latents and offsets of the kernels that reproduce them.

    Args:
        generator: what the faces are reproduced with; its weights are never changed.
        encoder: configuration of the W encoder, of either kind.
        hypernetwork: configuration of the hypernetwork; its sizes follow from the generator's.
        judge: measures what `invert` returns.
        least_gain: an image is done when a pass lowers its squared error by less than this share, and such a pass does
            not count; None makes all passes whatever they bring, as published.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: EncoderConfig | TrunkConfig | None = None,
        hypernetwork: HypernetworkConfig | None = None,
        judge: Judge = Judge(),
        least_gain: float | None = None,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.w_encoder: TrunkEncoder | WEncoder | LayerEncoder = (
            TrunkEncoder(encoder, generator.config.w_dim)
            if isinstance(encoder, TrunkConfig)
            else WEncoder(encoder or EncoderConfig(), generator.config.w_dim)
        )
        self.hypernet = Hypernetwork(hypernetwork or HypernetworkConfig(), generator.kernel_shapes)
        self.register_buffer("latent_avg", generator.mapping.w_avg.repeat(generator.config.num_ws, 1))
        self.latent_avg: Tensor
        self.judge = judge
        self.least_gain = least_gain

    def encode(self, images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Encode faces (n, 3, h, h) to latents w (n, num_ws, w_dim): the encoder's answer plus the average latent.

        Args:
            dtype: of the encoder's arithmetic; the latents are float32.
        """
        return self._apply_encoder(images, dtype)[:, None] + self.latent_avg

    def _apply_encoder(self, images: Tensor, dtype: torch.dtype) -> Tensor:
        """Apply the encoder alone, compiled where that is possible."""
        encoder = self.w_encoder
        if not isinstance(encoder, LayerEncoder) and (compiled := ENCODERS.find(encoder)) is not None:
            return compiled.encode(images, precision_of(dtype))
        with _autocast(images, dtype):
            answer: Tensor = encoder(images)
        return answer.float()

    def refine(self, images: Tensor, w: Tensor, passes: int, dtype: torch.dtype = torch.float32) -> Iterator[Pass]:
        """Yield the encoder's reconstruction, and then each pass; a pass sees the last reconstruction detached.

        Args:
            images: (n, 3, h, h) in [-1, 1], of any size.
            w: (n, num_ws, w_dim).
            passes: of the hypernetwork, 0 or more.
            dtype: of the generator's convolutions and of the hypernetwork's arithmetic; offsets are float32, with
                values of this dtype, so that storing them in it loses nothing.
        """
        offsets: Offsets = {}
        reconstruction = self._synthesize(w, dtype, offsets)
        yield Pass(0, offsets, reconstruction)
        if not passes:
            return
        answer = self._answer_to(images, dtype)
        for number in range(1, passes + 1):
            new = answer(reconstruction.detach())
            added = {name: _add(value, offsets[name].detach()) if offsets else value for name, value in new.items()}
            offsets = {name: offset.to(dtype).float() for name, offset in added.items()}
            reconstruction = self._synthesize(w, dtype, offsets)
            yield Pass(number, offsets, reconstruction)

    def _answer_to(self, faces: Tensor, dtype: torch.dtype) -> Answer:
        """Return the function that maps reconstructions of faces to the hypernetwork's offsets."""
        if (compiled := HYPERNETWORKS.find(self.hypernet)) is not None:
            return compiled.face(faces, precision_of(dtype))
        seen = resize(faces, self.hypernet.config.side)

        def answer(pictures: Tensor) -> dict[str, Tensor]:
            pair = torch.cat([seen, resize(pictures, self.hypernet.config.side)], dim=1)
            with _autocast(pair, dtype):
                offsets: dict[str, Tensor] = self.hypernet(pair)
            return offsets

        return answer

    def _synthesize(self, w: Tensor, dtype: torch.dtype, offsets: Offsets) -> Tensor:
        if torch.is_grad_enabled():
            return self.generator.synthesize(w, dtype=dtype, offsets=offsets)
        return synthesize_images(self.generator, w, precision_of(dtype), offsets)

    @torch.no_grad()
    def invert(self, images: Tensor, passes: int = 5, precision: PrecisionChoice = "float32") -> Inversion:
        """Find latents and offsets that reproduce aligned faces.

        Args:
            images: (n, 3, h, h) float32 in [-1, 1], aligned as the generator's training images (`faces.align`), of any
                size; they are compared at the generator's.
            passes: of the hypernetwork; 0 takes the encoder alone.
            precision: of all networks; latents, offsets and what is measured are float32 in any.

        Raises:
            ImageError: another shape, or values out of range.
            ConfigError: fewer than 0 passes, or an unknown precision.
        """
        check_faces(images)
        if passes < 0:
            raise ConfigError(f"{passes} passes; expected 0 (the encoder alone) or more")
        self.eval()
        return self._invert(images, passes, resolve_precision(precision, images.device))

    def _invert(self, images: Tensor, passes: int, precision: Precision) -> Inversion:
        dtype = dtype_of(precision)
        target = resize(images, self.generator.config.resolution)
        w = self.encode(images, dtype)
        best: Pass | None = None
        error = torch.full((len(images),), float("inf"), device=images.device)
        taken = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        for attempt in self.refine(images, w, passes, dtype):
            now = mean_square(attempt.reconstruction, target)
            better = torch.ones_like(taken, dtype=torch.bool)
            if self.least_gain is not None and best is not None:
                better = (now <= error * (1 - self.least_gain)) & (taken == attempt.number - 1)
                if not better.any():
                    break
            best = attempt if best is None else _choose_pass(attempt, best, better)
            error, taken = torch.where(better, now, error), torch.where(better, attempt.number, taken)
        assert best is not None  # noqa: S101  for the type checker: the encoder alone comes first
        quality = self.judge(best.reconstruction, target)
        method = "hyperstyle" if passes else "encoder"
        steps = tuple(taken.tolist())
        return Inversion(w, best.offsets, best.reconstruction.clamp(-1, 1), quality, steps, method, precision)


def _add(a: Tensor, b: Tensor) -> Tensor:
    """Add without PyTorch's threads, which wait actively beside those of OpenVINO, where nothing else computes."""
    if torch.is_grad_enabled() or a.device.type != "cpu":
        return a + b
    return torch.from_numpy(a.float().numpy() + b.numpy())


def _autocast(x: Tensor, dtype: torch.dtype) -> AbstractContextManager[object]:
    """Return a context that computes in a dtype; float32 keeps the caller's choice, as training needs."""
    return nullcontext() if dtype == torch.float32 else torch.autocast(x.device.type, dtype=dtype)


def check_faces(images: Tensor) -> None:
    """Raise ImageError unless images are (n, 3, h, h) in [-1, 1]."""
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3] or not len(images):
        raise ImageError(f"images are {tuple(images.shape)}; expected (n, 3, h, h) in [-1, 1], n of 1 or more")
    low, high = images.amin().item(), images.amax().item()
    if not (low >= -1.001 and high <= 1.001):
        raise ImageError(f"images lie in [{low:.3g}, {high:.3g}]; expected [-1, 1]: take faces.images.to_tensor")


def _choose_pass(new: Pass, old: Pass, better: Tensor) -> Pass:
    """Return the new pass for the images that it improves, and the old pass for the others."""
    if better.all():
        return new
    offsets = {
        name: torch.where(better[:, None, None, None, None], value, old.offsets.get(name, value.new_zeros(())))
        for name, value in new.offsets.items()
    }
    picture = torch.where(better[:, None, None, None], new.reconstruction, old.reconstruction)
    return Pass(new.number, offsets, picture)
