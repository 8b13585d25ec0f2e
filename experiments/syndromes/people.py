"""Phantoms of a genetics clinic: patients with one of twelve syndromes, and controls with intellectual disability.

Sex, ancestry and age are in the table and in the drawing: men have a wider jaw, thicker brows, thinner lips and may
have a beard, skin tones stand for ancestry, and a face grows. Controls therefore have to be matched, as in a clinic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np

from faces.conditions.catalogue import Condition, load_catalogue
from faces.labels import UNAFFECTED
from faces.phantoms.person import Phantom
from faces.phantoms.phantom_dataset import write_phantoms
from faces.phantoms.phenotype import describe_phantom, draw_terms
from faces.phantoms.signs import Signs

CONTROLS: Final = "other"
"""Name of the controls in the vocabulary: people with intellectual disability of another or an unknown cause."""

SIZE: Final = 128
"""Side of the pictures in pixels, which is that of the shipped generator of phantoms."""


@dataclass(frozen=True)
class Syndrome:
    """Syndrome of the experiment.

    Attributes:
        patients: largest number of patients that a model of the thesis had.
        strength: how strongly the facial features are drawn; 1 is typical of the catalogue's patients.
    """

    patients: int
    strength: float


CLEAR, MILD, HARDLY_VISIBLE = 0.8, 0.4, 0.2

SYNDROMES: Final[Mapping[str, Syndrome]] = {
    "KDVS": Syndrome(75, HARDLY_VISIBLE),
    "22q11DS": Syndrome(45, MILD),
    "EHMT1": Syndrome(39, CLEAR),
    "ADNP": Syndrome(33, HARDLY_VISIBLE),
    "CDK13": Syndrome(30, MILD),
    "ANKRD11": Syndrome(25, CLEAR),
    "DEAF1": Syndrome(19, HARDLY_VISIBLE),
    "SON": Syndrome(18, MILD),
    "FBXO11": Syndrome(17, CLEAR),
    "DYRK1A": Syndrome(16, HARDLY_VISIBLE),
    "WAC": Syndrome(12, MILD),
    "YY1": Syndrome(10, CLEAR),
}
"""The syndromes by falling number of patients. The three strengths take turns, so that neither goes with the other."""

CONTROL_COUNT: Final = 370

OTHER_CAUSES: Final = ("Angelman", "BWS", "CdLS", "Down", "Kabuki", "Noonan", "PWS", "RSTS", "WHS", "WS")
"""Conditions of every second control, drawn mildly. The other controls are drawn without any feature."""

_MEDIAN_YEARS, _SPREAD, _OLDEST_YEARS = 9.0, 0.75, 60


def draw_patients(name: str, count: int, seed: int, strength: float) -> Iterator[Phantom]:
    """Draw patients with a condition of the catalogue; a longer list begins with the shorter one."""
    condition = load_catalogue().require(name)
    for index in range(count):
        yield draw_person(condition, [seed, *name.encode(), index], strength)


def draw_controls(count: int, seed: int) -> Iterator[Phantom]:
    """Draw controls; every second one has a condition of OTHER_CAUSES, all under the name CONTROLS."""
    causes = [load_catalogue().require(name) for name in OTHER_CAUSES]
    for index in range(count):
        cause = causes[index // 2 % len(causes)] if index % 2 else Condition(UNAFFECTED, UNAFFECTED)
        person = draw_person(cause, [seed, *CONTROLS.encode(), index], MILD)
        yield replace(person, condition=CONTROLS)


def draw_person(
    condition: Condition, seed: Sequence[int], strength: float, ages: Collection[int] = (), sex: str | None = None
) -> Phantom:
    """Draw a person with terms of a condition by their frequency.

    Args:
        seed: seed of the person.
        strength: how strongly the features are drawn.
        ages: ages in years to choose from; empty takes those of patients of a genetics clinic: half are younger than
            nine years, one in six older than nineteen.
        sex: sex of the person; None takes either.
    """
    rng = np.random.default_rng(seed)
    years = int(np.clip(round(_MEDIAN_YEARS * np.exp(_SPREAD * rng.standard_normal())), 1, _OLDEST_YEARS))
    if ages:
        years = int(rng.choice(sorted(ages)))
    smile, terms = round(rng.uniform(), 3), draw_terms(condition.terms, rng)
    while True:
        identity = int(rng.integers(2**62))
        plain = describe_phantom((), years, smile, identity, condition.name)
        if sex in (None, plain.sex):
            return weaken(describe_phantom(terms, years, smile, identity, condition.name), plain, strength)


def weaken(person: Phantom, plain: Phantom, strength: float) -> Phantom:
    """Draw the features of a person at a part of their strength.

    Args:
        plain: the same person without any feature.
        strength: 0 gives the looks of `plain`, 1 those of `person`.
    """
    traits = {name: value + strength * (person.traits[name] - value) for name, value in plain.traits.items()}
    signs = {sign.name: strength * getattr(person.signs, sign.name) for sign in fields(Signs)}
    return replace(person, traits=traits, signs=Signs(**signs))


def write_cohort(path: Path, seed: int, syndromes: Mapping[str, Syndrome], controls: int) -> None:
    """Draw the cohort as a data set such as a laboratory has; a file that exists is complete."""
    if path.exists():
        return
    people = [*draw_controls(controls, seed)]
    for name, syndrome in syndromes.items():
        people += draw_patients(name, syndrome.patients, seed, syndrome.strength)
    write_phantoms(path, people, size=SIZE, conditions=(*syndromes, CONTROLS), workers=2)
