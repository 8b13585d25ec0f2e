"""Methods of inversion as one choice: an inverter's networks, or optimisation that starts from their result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import torch
from torch import Tensor

from core.errors import ConfigError
from core.precision import Precision, PrecisionChoice, resolve_precision
from gen.networks import Generator
from inversion.encoder_inverter import EncoderInverter
from inversion.inverter import Inverter
from inversion.optimisation import PIVOT_SEARCH, OnStep, ProjectionConfig, TuningConfig, find_pivot, project, tune
from inversion.quality import Judge
from inversion.result import Inversion, Offsets

SEARCH_STEPS: Final = PIVOT_SEARCH.steps
TUNING_STEPS: Final = TuningConfig.steps
PROJECTION_STEPS: Final = 300
"""Steps of the search of a pivot, of tuning and of a projection, unless others are asked for."""


class Method(StrEnum):
    """Name of a method of inversion."""

    ENCODER = "encoder"
    HYPERSTYLE = "hyperstyle"
    W = "w"
    W_PLUS = "w+"
    PTI = "pti"


def choose_method(inverter: Inverter | None, *, exact: bool = False) -> Method:
    """Choose the default method: the hypernetwork, the encoder if it is alone, pivotal tuning without an inverter.

    Args:
        exact: a slow method may be taken: pivotal tuning.
    """
    if inverter is None or exact:
        return Method.PTI
    return Method.ENCODER if isinstance(inverter, EncoderInverter) else Method.HYPERSTYLE


@dataclass(frozen=True)
class InversionMethod:
    """Inverts faces by one method.

    Pivotal tuning begins with the latent and the offsets of the inverter; without one, with a pivot that it searches.

    Args:
        generator: what the faces are reproduced with.
        inverter: of the generator; None for what optimises from the average latent.
        judge: measures what optimisation makes; an inverter has its own.
        passes: of the hypernetwork.
        steps: of an optimisation, of each of its parts; None for the defaults.
        seconds: of each of these parts at most; None for no limit.
        precision: of the networks; "auto" takes what the device is made for. Optimisation is in float32.

    Raises:
        ConfigError: the method needs an inverter or a hypernetwork, and there is none; or it optimises, and not in
            float32.
    """

    generator: Generator
    inverter: Inverter | None
    judge: Judge
    method: Method
    passes: int = 5
    steps: int | None = None
    seconds: float | None = None
    precision: PrecisionChoice = "float32"

    def __post_init__(self) -> None:
        if self.inverter is None and self.method in (Method.ENCODER, Method.HYPERSTYLE):
            raise ConfigError(
                f"--method {self.method} needs --inverter; `gestaltgen train-encoder --help` says how to make one"
            )
        if isinstance(self.inverter, EncoderInverter) and self.method is Method.HYPERSTYLE:
            raise ConfigError(
                f"--method {self.method}, and the inverter is an encoder without a hypernetwork; take "
                f"{Method.ENCODER}, or {Method.PTI}, which starts from its latents"
            )
        if self.optimises and self.precision == "bfloat16":
            raise ConfigError(
                f"precision bfloat16 with method {self.method}, which optimises in float32; take auto or float32, or "
                f"the method {Method.HYPERSTYLE} or {Method.ENCODER}"
            )

    @property
    def optimises(self) -> bool:
        """The method optimises, rather than running an inverter's networks."""
        return self.method not in (Method.ENCODER, Method.HYPERSTYLE)

    @property
    def settled_precision(self) -> Precision:
        """The precision that faces are inverted in."""
        return "float32" if self.optimises else resolve_precision(self.precision, self.generator.mapping.w_avg.device)

    @property
    def steps_planned(self) -> int:
        """Steps of optimisation for a face; 0 for the methods that do not optimise."""
        if not self.optimises:
            return 0
        return self._steps + (self._search_steps if self.method is Method.PTI and self.inverter is None else 0)

    @property
    def _steps(self) -> int:
        if self.steps is not None:
            return self.steps
        return TUNING_STEPS if self.method is Method.PTI else PROJECTION_STEPS

    @property
    def _search_steps(self) -> int:
        return SEARCH_STEPS if self.steps is None else self.steps

    def __call__(self, face: Tensor, on_step: OnStep | None = None) -> Inversion:
        """Invert one aligned face (1, 3, h, h) in [-1, 1], of any size.

        Args:
            on_step: told after each step of an optimisation.

        Raises:
            ImageError: another shape or range.
        """
        face = face.to(self.generator.mapping.w_avg.device)
        if self.inverter is not None and self.method in (Method.ENCODER, Method.HYPERSTYLE):
            passes = 0 if self.method is Method.ENCODER else self.passes
            return self.inverter.invert(face, passes, self.settled_precision)
        if self.method is Method.PTI:
            return self._tune(face, on_step)
        return project(
            self.generator,
            face,
            ProjectionConfig("w+" if self.method is Method.W_PLUS else "w", self._steps, seconds=self.seconds),
            start=None if self.inverter is None else self.inverter.encode(face),
            perceptual=self.judge.perceptual,
            judge=self.judge,
            on_step=on_step,
        )

    def _tune(self, face: Tensor, on_step: OnStep | None) -> Inversion:
        """Bend the kernels around a pivot: the latent and offsets of the inverter, or the best latent of the region."""
        perceptual = self.judge.perceptual
        offsets: Offsets = {}
        if self.inverter is None:
            search = replace(PIVOT_SEARCH, steps=self._search_steps, seconds=self.seconds)
            pivot = find_pivot(self.generator, face, search, perceptual=perceptual, on_step=on_step)
        else:
            with torch.no_grad():
                pivot = self.inverter.encode(face)
                *_, last = self.inverter.refine(face, pivot, self.passes)
            offsets = last.offsets
        return tune(
            self.generator,
            face,
            pivot,
            TuningConfig(self._steps, seconds=self.seconds),
            start=offsets,
            perceptual=perceptual,
            judge=self.judge,
            on_step=on_step,
        )
