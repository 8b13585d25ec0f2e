"""Persons shown by phantoms. A phantom is a drawn face whose condition, age, smile and every facial trait are known.

A phantom is a test object whose truth is known. Its facial traits are standardised normal deviates of an
identity, moved by the condition's published features: each trait alone says little about the condition,
all together say nearly everything. Nothing else (skin, hair, eyes, smile, background) knows the condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from core.errors import LabelError
from faces.labels import AGE_GROUPS, CONDITIONS

OLDEST_YEARS: Final = 120.0
_OLDEST_DRAWN_AT_RANDOM: Final = 90.0
_TRAIT_STREAM, _LOOKS_STREAM = 0, 1  # separate random streams: a new look never changes a trait


@dataclass(frozen=True)
class Trait:
    """A facial trait: normally distributed in people, moved by some conditions.

    Attributes:
        name: what `attributes` calls it.
        deviation: standard deviation in the population, in the trait's drawn unit.
        shifts: condition -> how far its mean lies from the population's, in standard deviations.
        meaning: what is drawn, and its unit ("side" is the side of the picture).
    """

    name: str
    deviation: float
    shifts: Mapping[str, float]
    meaning: str


TRAITS: Final = (
    # Williams syndrome: Morris 1999 (GeneReviews), "facial features"
    Trait("periorbital_fullness", 0.30, {"WS": 2.3}, "puffiness of the lids; 1 is marked"),
    Trait("nose_shortness", 0.0080, {"WS": 2.2}, "base of the nose above its usual place; side"),
    Trait("nose_upturn", 0.28, {"WS": 2.1}, "tip raised and nostrils seen; 1 is marked"),
    Trait("philtrum_length", 0.0080, {"WS": 2.3}, "longer than usual at that age; side"),
    Trait("lip_fullness", 0.17, {"WS": 2.2}, "height of the red of the lips; relative to usual"),
    Trait("mouth_width", 0.0090, {"WS": 1.6, "22q11DS": -1.6}, "half width of the mouth beyond usual; side"),
    Trait("cheek_fullness", 0.0070, {"WS": 2.0}, "half width of the lower cheeks beyond usual; side"),
    # 22q11.2 deletion syndrome: McDonald-McGinn et al. 2015 (Nat Rev Dis Primers 1:15071)
    Trait("lid_hooding", 0.13, {"22q11DS": 2.3}, "part of the open eye under the upper lid's fold"),
    Trait("bridge_width", 0.0060, {"22q11DS": 2.3}, "half width of a tubular nasal bridge beyond usual; side"),
    Trait("nose_tip", 0.15, {"22q11DS": 2.3}, "bulbous tip; relative to usual"),
    Trait("face_narrowness", 0.0085, {"22q11DS": 2.3}, "long and narrow: sides in, chin down; side"),
    Trait("malar_flatness", 0.30, {"22q11DS": 2.1}, "cheekbones without relief; 1 is flat"),
    # "other": one composite of features that neither of the two has
    Trait("fissure_slant", 0.0055, {"other": 2.3}, "outer corner of the eye lowered; side"),
    Trait("eye_spacing", 0.0060, {"other": 2.3}, "each eye further out than usual; side"),
    Trait("brow_thickness", 0.20, {"other": 2.2}, "relative to usual"),
    Trait("brow_arch", 0.0060, {"other": 2.2}, "middle of the brow raised; side"),
    Trait("forehead_width", 0.0090, {"other": 2.1}, "half width at the temples beyond usual; side"),
    Trait("chin_smallness", 0.0100, {"other": 2.2}, "chin raised and narrowed; side"),
    Trait("ear_lowness", 0.0110, {"other": 2.0}, "ears lower than usual; side"),
    Trait("ear_size", 0.11, {"other": 1.6, "22q11DS": -1.6}, "relative to usual"),
)


@dataclass(frozen=True)
class Looks:
    """Features in which persons differ and which say nothing about a condition.

    Shape fields are standard normal deviates; the others lie in [0, 1] unless noted.
    """

    masculinity: float
    skin_tone: float
    skin_warmth: float
    hair_shade: float
    hair_red: float
    hair_style: int
    hair_volume: float
    hair_part: float
    curl: float
    hairline: float
    balding: float
    greying_years: float
    brow_shade: float
    iris_hue: float
    beard: float
    freckles: float
    jaw_width: float
    face_width: float
    nose_width: float
    eye_size: float
    brow_height: float
    lip_bow: float
    chin_width: float
    roll_degrees: float
    offset_x: float
    offset_y: float
    light_side: float
    backdrop: tuple[float, float, float]
    cloth: tuple[float, float, float]


PERSON: Final = (
    "masculinity",
    "skin_tone",
    "skin_warmth",
    "hair_shade",
    "hair_red",
    "hair_volume",
    "curl",
    "hairline",
    "brow_shade",
    "iris_hue",
    "freckles",
    "jaw_width",
    "face_width",
    "nose_width",
    "eye_size",
    "brow_height",
    "lip_bow",
    "chin_width",
)
"""The looks that belong to the person rather than to the picture: the entries of `identity_vector`, in order."""


@dataclass(frozen=True)
class Phantom:
    """A face that can be drawn at any size.

    Attributes:
        condition: one of `faces.labels.CONDITIONS`.
        age_years: in [0, 120].
        smile: 0 (none) to 1 (broad, teeth seen).
        identity: the seed that fixed all that follows but the condition's shifts.
        traits: trait name -> value in its drawn unit, the condition's shift included.
        looks: the rest of the person.
    """

    condition: str
    age_years: float
    smile: float
    identity: int
    traits: Mapping[str, float] = field(compare=False)
    looks: Looks = field(compare=False)


def phantom(condition: str, age_years: float, smile: float, identity: int) -> Phantom:
    """Make the person `identity` with a condition, at an age, with a smile.

    Args:
        identity: a seed >= 0. The same seed is the same person whatever the other arguments.

    Raises:
        LabelError: an unknown condition, an age outside [0, 120] years, a smile outside [0, 1] or a negative identity.
    """
    if condition not in CONDITIONS:
        raise LabelError(f"condition {condition!r} cannot be drawn; expected one of {', '.join(CONDITIONS)}")
    if not 0 <= age_years <= OLDEST_YEARS:
        raise LabelError(f"age {age_years!r} years cannot be drawn; expected 0 to {OLDEST_YEARS:g}")
    if not 0 <= smile <= 1:
        raise LabelError(f"smile {smile!r} cannot be drawn; expected 0 (none) to 1 (broad)")
    if identity < 0 or identity != int(identity):
        raise LabelError(f"identity {identity!r} cannot be drawn; expected an integer of 0 or more")
    deviates = _stream(identity, _TRAIT_STREAM).standard_normal(len(TRAITS))
    traits = {
        trait.name: float(trait.deviation * (z + trait.shifts.get(condition, 0.0)))
        for trait, z in zip(TRAITS, deviates, strict=True)
    }
    looks = _draw_looks(_stream(identity, _LOOKS_STREAM))
    return Phantom(condition, float(age_years), float(smile), int(identity), traits, looks)


def random_phantom(
    rng: np.random.Generator,
    condition: str | None = None,
    age_years: float | None = None,
    smile: float | None = None,
) -> Phantom:
    """Draw a new person; attributes that are not given are random.

    Conditions are equally likely, age groups too, and ages uniform in their group (the oldest to 90 years);
    smiles are uniform in [0, 1]. All four draws are always made, so fixing one leaves the others alone.
    """
    drawn_condition = CONDITIONS[rng.integers(len(CONDITIONS))]
    group = AGE_GROUPS[rng.integers(len(AGE_GROUPS))]
    drawn_age = rng.uniform(group.from_years, min(group.to_years, _OLDEST_DRAWN_AT_RANDOM))
    drawn_smile = rng.uniform()
    identity = int(rng.integers(2**31))
    return phantom(
        drawn_condition if condition is None else condition,
        drawn_age if age_years is None else age_years,
        drawn_smile if smile is None else smile,
        identity,
    )


def attributes(of: Phantom) -> dict[str, float]:
    """Return the true facial traits in drawn units (see `TRAITS`); zero is the population mean of every trait."""
    return dict(of.traits)


def identity_vector(of: Phantom) -> npt.NDArray[np.float64]:
    """Return skin, hair, eye and shape parameters of the person, without traits, age, smile and setting.

    Returns:
        (18,) float64.
    """
    return np.array([getattr(of.looks, name) for name in PERSON], dtype=np.float64)


def _stream(identity: int, stream: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([identity, stream]))


def _draw_looks(rng: np.random.Generator) -> Looks:
    masculine = rng.uniform() < 0.5
    skin_tone = float(rng.beta(1.1, 1.5))
    lightest_hair = 1.0 - 0.9 * min(1.0, 1.6 * skin_tone)  # blond hair goes with light skin
    shape = np.clip(rng.standard_normal(9), -2.2, 2.2)
    return Looks(
        masculinity=float(np.clip((0.8 if masculine else 0.2) + 0.1 * shape[0], 0, 1)),
        skin_tone=skin_tone,
        skin_warmth=float(rng.uniform()),
        hair_shade=float(rng.uniform() * lightest_hair),
        hair_red=float(rng.uniform(0.3, 0.9)) if rng.uniform() < 0.15 * lightest_hair else 0.0,
        hair_style=int(rng.choice([0, 1, 2, 3, 7] if masculine else [2, 4, 5, 6, 7, 8])),
        hair_volume=float(rng.uniform()),
        hair_part=float(rng.uniform(-1, 1)),
        curl=float(rng.uniform()),
        hairline=float(shape[1]),
        balding=float(rng.uniform()) if masculine else 0.0,
        greying_years=float(rng.normal(46, 5)),
        brow_shade=float(rng.uniform()),
        iris_hue=float(rng.uniform() * (1 - 0.75 * min(1.0, 1.5 * skin_tone))),
        beard=float(rng.uniform(0.3, 1)) if masculine and rng.uniform() < 0.35 else 0.0,
        freckles=float(rng.uniform()) if rng.uniform() < 0.25 and skin_tone < 0.4 else 0.0,
        jaw_width=float(shape[2]),
        face_width=float(shape[3]),
        nose_width=float(shape[4]),
        eye_size=float(shape[5]),
        brow_height=float(shape[6]),
        lip_bow=float(shape[7]),
        chin_width=float(shape[8]),
        roll_degrees=float(rng.uniform(-2, 2)),
        offset_x=float(rng.uniform(-0.006, 0.006)),
        offset_y=float(rng.uniform(-0.006, 0.006)),
        light_side=float(rng.uniform(-1, 1)),
        backdrop=_colour(rng, saturation=0.35, lightest=0.9),
        cloth=_colour(rng, saturation=0.6, lightest=0.8),
    )


def _colour(rng: np.random.Generator, *, saturation: float, lightest: float) -> tuple[float, float, float]:
    """Draw a random plain colour, RGB in [0, 1]."""
    hue, grey, value = rng.uniform(), rng.uniform(1 - saturation, 1), rng.uniform(0.2, lightest)
    rgb = 1 + (grey - 1) * (0.5 + 0.5 * np.cos(2 * np.pi * (hue + np.arange(3) / 3)))
    red, green, blue = (float(c) for c in value * rgb)
    return red, green, blue
