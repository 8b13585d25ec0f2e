"""Label vocabulary of a network, and encoding of labels.

A label is two convex combinations, one over conditions and one over age groups, written one after the other. The
label embedding is linear, so a mix of labels gives the mix of their embeddings. Blends of conditions and ages between
two groups need no other code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from core.errors import LabelError
from faces.conditions.catalogue import Identifiers, identify_by_name
from faces.labels import AGE_GROUPS, CONDITIONS, AgeGroup, find_age_group

if TYPE_CHECKING:
    from torch import Tensor

Mix: TypeAlias = str | Mapping[str, float] | None
"""One name, weights by name that sum to 1, or None for unknown: the uniform mix."""


@dataclass(frozen=True)
class Vocabulary:
    """Conditions and age groups of a network, in the order of its label columns.

    Args:
        stored_identifiers: identifiers of the conditions as they are stored with the vocabulary; None if they are not.
            Two vocabularies with the same columns are equal whatever these are.
    """

    conditions: tuple[str, ...] = CONDITIONS
    ages: tuple[AgeGroup, ...] = AGE_GROUPS
    stored_identifiers: Identifiers | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "conditions", tuple(self.conditions))
        object.__setattr__(self, "ages", tuple(self.ages))
        for what, names in (("conditions", self.conditions), ("age groups", self.age_names)):
            if not names or len(set(names)) != len(names):
                raise LabelError(f"{what} are {list(names)}; expected one or more, each named once")

    @property
    def age_names(self) -> tuple[str, ...]:
        return tuple(age.name for age in self.ages)

    @property
    def identifiers(self) -> Identifiers:
        """Identifiers of the conditions in OMIM, ORPHA and MONDO: those stored, or else those of the shipped catalogue
        for conditions of the same name."""
        return identify_by_name(self.conditions) if self.stored_identifiers is None else self.stored_identifiers

    @property
    def c_dim(self) -> int:
        """Columns of a label: one for each condition, then one for each age group."""
        return len(self.conditions) + len(self.ages)

    def every_label(self) -> Tensor:
        """Encode every condition in every age, (conditions · ages, c_dim), the ages of a condition in order."""
        import torch

        return torch.stack([self.encode(c, a) for c in self.conditions for a in self.age_names])

    def encode(self, condition: Mix = None, age: Mix | float = None) -> Tensor:
        """Encode a condition and an age as a label (c_dim,) float32; arguments and errors as `encode_weights`."""
        import torch

        return torch.tensor(self.encode_weights(condition, age))

    def encode_weights(self, condition: Mix = None, age: Mix | float = None) -> list[float]:
        """Encode a condition and an age as numbers of float32, without PyTorch.

        Args:
            condition: a name, weights by name, or None for unknown.
            age: the same over age groups, or an age in years, which stands for its group.

        Raises:
            LabelError: an unknown name, or weights that are negative or do not sum to 1.
        """
        if age is not None and not isinstance(age, str | Mapping):
            age = find_age_group(float(age), self.ages).name
        weights = _weights("condition", condition, self.conditions) + _weights("age group", age, self.age_names)
        return [float(np.float32(weight)) for weight in weights]

    def to_json(self) -> dict[str, Any]:
        """Return the label columns in JSON-able form; an open upper limit is null. Identifiers are stored apart."""
        return {
            "conditions": list(self.conditions),
            "ages": [
                {
                    "name": a.name,
                    "from_years": a.from_years,
                    "to_years": None if math.isinf(a.to_years) else a.to_years,
                }
                for a in self.ages
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Vocabulary:
        ages = (
            AgeGroup(a["name"], a["from_years"], math.inf if a["to_years"] is None else a["to_years"])
            for a in data["ages"]
        )
        return cls(tuple(data["conditions"]), tuple(ages))


def _weights(what: str, mix: Mix, names: Sequence[str]) -> list[float]:
    if mix is None:
        return [1 / len(names)] * len(names)
    if isinstance(mix, str):
        mix = {mix: 1.0}
    for name, weight in mix.items():
        if name not in names:
            raise LabelError(f"unknown {what} {name!r}; expected one of {', '.join(names)}")
        if not 0 <= weight <= 1:
            raise LabelError(f"weight {weight!r} of {what} {name!r} is outside [0, 1]")
    total = math.fsum(mix.values())
    if abs(total - 1) > 1e-6:
        raise LabelError(f"weights of {what} {dict(mix)} sum to {total:g}; expected 1")
    return [float(mix.get(name, 0)) for name in names]
