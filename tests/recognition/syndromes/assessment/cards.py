"""A card of a trained model, for tests."""

from __future__ import annotations

from typing import Final

from recognition.statistics import Interval
from recognition.syndromes.assessment.answer import Group
from recognition.syndromes.assessment.model_files import ModelFigures, SyndromeCard

_FIGURE: Final = Interval(0.8, 0.6, 0.9)

CARD: Final = SyndromeCard(
    syndrome="KdVS",
    patients=Group(12, {"female": 7, "male": 5}, {"European": 12}, (1.0, 3.0, 6.0, 9.0, 20.0)),
    controls=Group(30, {"female": 17, "male": 13}, {"European": 30}, (1.0, 3.0, 6.0, 9.0, 22.0)),
    unmatched={"no control of the age": 1},
    draws=3,
    folds=5,
    ancestry_matched=True,
    age_tolerance=(2 / 3, 4 / 3),
    figures={"ensemble": ModelFigures(_FIGURE, _FIGURE, _FIGURE, 0.2, "Platt")},
    novelty_limits={"descriptor": 0.6},
    software="gestaltgen",
    created="2026-01-31",
)
