"""Distribution of heads: what random heads are drawn from, and what the fit takes as prior.

MakeHuman and anny model which changes exist, and not how frequent they are. The standard deviations here are choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from faces.heads.head_model import CONTRASTS, PHENOTYPE, HeadModel, age_of_years

Floats = npt.NDArray[np.float64]

_PHENOTYPE_SD: Final = {"age": 0.3, "female": 0.5} | dict.fromkeys(("muscle", "weight", "height", "proportions"), 0.25)
_ANCESTRY_SD: Final = 12**-0.5
"""That of a contrast of three shares drawn uniformly among all that sum to 1."""

_AGE_MEAN: Final = 0.45
_KNOWN_SD: Final = {"age": 0.03, "female": 0.02}

_CHANGE_SD: Final = 0.25
_SIDEWAYS_SD: Final = 0.05
"""Of half the difference between a change on the right and on the left, and of a shift of the whole feature."""

_ACTION_SD: Final = 0.1
_SMILE_SD: Final = 0.5
_STRONG_ACTIONS: Final = {"jawOpen": 0.25, "mouthSmileLeft": _SMILE_SD, "mouthSmileRight": _SMILE_SD}

SMILE: Final = ("mouthSmileLeft", "mouthSmileRight")


@dataclass(frozen=True)
class HeadParameters:
    """Parameters of heads.

    Attributes:
        phenotype: (n, 8) as in `faces.heads.head_model.PHENOTYPE`.
        changes: (n, changes).
        actions: (n, actions).
    """

    phenotype: Floats
    changes: Floats
    actions: Floats

    def points(self, model: HeadModel, at_rest: bool = False) -> Floats:
        """Compute the points (n, p, 3) without pose, with all facial actions left out if `at_rest`."""
        return model.points(self.phenotype, self.changes, self.actions * (not at_rest))

    def smile(self, model: HeadModel) -> Floats:
        """Return the intensity (n,) of the smile in [0, 1], the mean of both sides."""
        return np.asarray(self.actions[:, [model.action_names.index(name) for name in SMILE]].mean(axis=1))


@dataclass(frozen=True)
class HeadPrior:
    """Normal distribution of the changes, and of the actions, which are never negative.

    Attributes:
        model: the head model that the parameters belong to.
    """

    model: HeadModel

    @cached_property
    def change_factor(self) -> Floats:
        """Matrix (changes, changes) that turns independent standard normal numbers into changes."""
        names = self.model.change_names
        factor = np.zeros((len(names), len(names)))
        for row, name in enumerate(names):
            other = names.index({"l": "r", "r": "l"}[name[0]] + name[1:]) if name[:2] in ("l-", "r-") else row
            if other == row:
                factor[row, row] = _SIDEWAYS_SD if name.endswith("trans-out") else _CHANGE_SD
            else:
                factor[row, min(row, other)] = _CHANGE_SD
                factor[row, max(row, other)] = _SIDEWAYS_SD if row < other else -_SIDEWAYS_SD
        return factor

    @cached_property
    def action_sd(self) -> Floats:
        """Standard deviation (actions,) of each facial action before negative values are cut off."""
        return np.array([_STRONG_ACTIONS.get(name, _ACTION_SD) for name in self.model.action_names])

    def phenotype(self, ages: Floats, females: Floats) -> tuple[Floats, Floats]:
        """Return the means and standard deviations (n, 8) of the phenotype.

        Args:
            ages: (n,) in years, NaN where unknown.
            females: (n,) 1 for female, 0 for male, NaN where unknown.
        """
        means = np.tile([0.0 if name.startswith("ancestry") else 0.5 for name in PHENOTYPE], (len(ages), 1))
        deviations = np.tile([_PHENOTYPE_SD.get(name, _ANCESTRY_SD) for name in PHENOTYPE], (len(ages), 1))
        means[:, 0] = np.where(np.isnan(ages), _AGE_MEAN, age_of_years(np.nan_to_num(ages)))
        means[:, 1] = np.where(np.isnan(females), 0.5, females)
        deviations[~np.isnan(ages), 0] = _KNOWN_SD["age"]
        deviations[~np.isnan(females), 1] = _KNOWN_SD["female"]
        return means, deviations

    def mean_heads(self, ages: Floats, females: Floats) -> Floats:
        """Compute the points (n, 510, 3) of the mean head of an age and sex, at rest."""
        none = (np.zeros((len(ages), len(names))) for names in (self.model.change_names, self.model.action_names))
        return self.model.points(self.phenotype(ages, females)[0], *none)

    def draw(self, ages: Floats, females: Floats, seed: int) -> HeadParameters:
        """Draw random heads (n) of given ages in years and sexes (1 for female, 0 for male).

        Half of them smile, with an intensity uniform in [0, 1].
        """
        random = np.random.default_rng(seed)
        count = len(ages)
        means, deviations = self.phenotype(ages, females)
        phenotype = means.copy()
        build = [PHENOTYPE.index(name) for name in ("muscle", "weight", "height", "proportions")]
        phenotype[:, build] = np.clip(random.normal(means[:, build], deviations[:, build]), 0, 1)
        shares = random.dirichlet((1, 1, 1), count)
        phenotype[:, -2:] = shares @ CONTRASTS
        changes = np.clip(random.standard_normal((count, len(self.change_factor))) @ self.change_factor.T, -1, 1)
        actions = np.maximum(0, random.standard_normal((count, len(self.action_sd))) * self.action_sd)
        smile = random.random(count) * (random.random(count) < 0.5)
        for name in SMILE:
            actions[:, self.model.action_names.index(name)] = np.clip(
                smile + random.normal(0, 0.05, count) * (smile > 0), 0, 1
            )
        return HeadParameters(phenotype, changes, np.minimum(actions, 1))
