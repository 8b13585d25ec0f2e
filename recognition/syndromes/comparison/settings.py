"""Settings of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, get_args

from core.errors import ConfigError
from recognition.syndromes.cohorts.matching import MatchingRule, Method
from recognition.syndromes.cohorts.person import CONTROLS
from recognition.syndromes.comparison.tasks import SCHEMES
from recognition.syndromes.features.layout import Layout
from recognition.syndromes.models.ensemble import MEMBERS
from recognition.syndromes.models.registry import ENSEMBLE, MODELS, list_possible_models

BY_REQUEST: Final = ("pointnet", "pointnet_tuned", "face_and_own_terms")
"""Models that are compared only if they are named: slow ones, and a variant."""

_TESTED: Final = ("neighbours",)
"""Models that are tested if none is named: their test takes no time."""


@dataclass(frozen=True)
class ComparisonSettings:
    """Settings of a comparison.

    Attributes:
        models: names of models; empty takes all but BY_REQUEST that the data set has features for.
        runs: number of times that controls are drawn anew.
        schemes: names of schemes of validation.
        opponents: compare each syndrome with each other one too, in the first run.
        tested: models, of those that are compared, that are tested by permutation; all but "neighbours" are fitted
            anew for each labelling. Empty tests "neighbours" if it is compared. The ensemble cannot be tested.
        permutations: random labellings of a test; a quarter of them for models that are fitted anew.
        least_patients: syndromes with fewer patients are left out.
        controls: conditions of the controls.
        ancestry: False if ancestry is not compared.
        rule, method: see `match`.
        flat: the points of the face are its flat landmarks, not those of a head.
        descriptor: file of the network that describes faces, for `load_descriptor`; None takes dlib's.
        seed: seed of everything that is drawn.

    Raises:
        ConfigError: a setting that is unknown or out of range.
    """

    models: tuple[str, ...] = ()
    runs: int = 3
    schemes: tuple[str, ...] = tuple(SCHEMES)
    opponents: bool = True
    tested: tuple[str, ...] = ()
    permutations: int = 999
    least_patients: int = 5
    controls: tuple[str, ...] = CONTROLS
    ancestry: bool = True
    rule: MatchingRule = field(default_factory=MatchingRule)
    method: Method = "assignment"
    flat: bool = False
    descriptor: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for what, given, known in (
            ("model", self.models, MODELS),
            ("scheme", self.schemes, SCHEMES),
            ("matching method", (self.method,), get_args(Method)),
        ):
            if unknown := [name for name in given if name not in known]:
                raise ConfigError(f"there is no {what} {unknown[0]!r}; expected one of {', '.join(known)}")
        for what, number, least in (
            ("runs", self.runs, 1),
            ("permutations", self.permutations, 1),
            ("least number of patients", self.least_patients, 2),
            ("seed", self.seed, 0),
        ):
            if number < least:
                raise ConfigError(f"{what} is {number}; expected {least} or more")
        if not self.schemes:
            raise ConfigError(f"no scheme of validation is chosen; expected one or more of {', '.join(SCHEMES)}")
        possible = [
            name for name in self.models or MODELS if name != ENSEMBLE and (self.models or name not in BY_REQUEST)
        ]
        if untestable := [name for name in self.tested if name not in possible]:
            raise ConfigError(
                f"{untestable[0]!r} cannot be tested; expected some of the models that are compared but the ensemble: "
                f"{', '.join(possible)}"
            )
        if ENSEMBLE in self.models and len(self.members) < 2:
            raise ConfigError(
                f"the ensemble needs two or more of the models {', '.join(MEMBERS)}; add them, or leave it out"
            )

    def tests(self, model: str) -> bool:
        """Tell whether a model is tested by permutation."""
        return model in (self.tested or _TESTED)

    def choose_models(self, layout: Layout) -> ComparisonSettings:
        """Return settings with models that can be compared: those that are named, or those that the layout allows."""
        if self.models:
            return self
        possible = list_possible_models(layout, BY_REQUEST)
        combined = len([name for name in possible if name in MEMBERS]) > 1
        return replace(self, models=(*possible, ENSEMBLE) if combined else possible)

    @property
    def members(self) -> tuple[str, ...]:
        """Models of which the ensemble is made: those of the published one that are compared."""
        return tuple(name for name in MEMBERS if name in self.models)

    def list_schemes(self, opponent: str | None) -> tuple[str, ...]:
        """Return the schemes of validation: all against controls (None), and the last one against another syndrome."""
        return self.schemes if opponent is None else self.schemes[-1:]

    def find_members(self, model: str) -> tuple[str, ...]:
        """Return the models whose predictions a model combines: itself, unless it is the ensemble."""
        return self.members if model == ENSEMBLE else (model,)
