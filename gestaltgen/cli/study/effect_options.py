"""Options of commands that simulate participants: the design, the effect of a variant, and the variances."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from studies.plan.simulate import Effects


class Design(StrEnum):
    """Published designs (`studies.plan.study_design.DESIGNS`)."""

    PATEL = "patel"
    DUONG_22Q = "duong-22q11ds"
    DUONG_WS = "duong-ws"


@dataclass(frozen=True)
class EffectOptions:
    """Effects of a simulation, in logits."""

    effect: Annotated[
        float, typer.Option(help="Log odds of a right answer to the second variant (edited) minus those to the first.")
    ] = 0.0
    participant_sd: Annotated[
        float, typer.Option(help="Standard deviation between participants, in logits.", min=0)
    ] = 0.4
    face_sd: Annotated[float, typer.Option(help="Standard deviation between faces, in logits.", min=0)] = 0.8
    participant_slope_sd: Annotated[
        float, typer.Option(help="Standard deviation of the effect between participants, in logits.", min=0)
    ] = 0.0
    face_slope_sd: Annotated[
        float, typer.Option(help="Standard deviation of the effect between faces, in logits.", min=0)
    ] = 0.0

    def to_effects(self, variants: tuple[str, ...]) -> Effects:
        """Make the effects on the variants of a design; a design of one variant has no effect."""
        from studies.plan.simulate import Effects

        return Effects(
            variants={variants[1]: self.effect} if len(variants) > 1 else {},
            participant_sd=self.participant_sd,
            face_sd=self.face_sd,
            participant_slope_sd=self.participant_slope_sd,
            face_slope_sd=self.face_slope_sd,
        )
