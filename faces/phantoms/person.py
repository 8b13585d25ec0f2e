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
from faces.phantoms.signs import NO_SIGNS, Signs

OLDEST_YEARS: Final = 120.0
_OLDEST_DRAWN_AT_RANDOM: Final = 90.0

SKIN_GROUPS: Final = ("light", "medium", "dark")
"""Groups of skin tones, a third of all phantoms each. A phantom has no ancestors; they stand for ancestry where persons
are matched."""

_SKIN_GROUP_ENDS: Final = (0.26, 0.55)
_TRAIT_STREAM, _LOOKS_STREAM = 0, 1  # separate random streams: a new look never changes a trait


@dataclass(frozen=True)
class Trait:
    """A facial trait: normally distributed in people, moved by some conditions.

    Attributes:
        name: what `attributes` calls it.
        deviation: standard deviation in the population, in the trait's drawn unit.
        shifts: condition -> how far its mean lies from the population's, in standard deviations.
        meaning: what is drawn, and its unit ("side" is the side of the picture).
        more: id of the HPO term for much more than the mean.
        less: id of the HPO term for much less; empty if there is none.
    """

    name: str
    deviation: float
    shifts: Mapping[str, float]
    meaning: str
    more: str
    less: str = ""


TRAITS: Final = (
    # Williams syndrome: Morris 1999 (GeneReviews), "facial features"
    Trait("periorbital_fullness", 0.30, {"WS": 2.3}, "puffiness of the lids; 1 is marked", "HP:0000629"),
    Trait(
        "nose_shortness",
        0.0080,
        {"WS": 2.2},
        "base of the nose above its usual place; side",
        "HP:0003196",
        "HP:0003189",
    ),
    Trait("nose_upturn", 0.28, {"WS": 2.1}, "tip raised and nostrils seen; 1 is marked", "HP:0000463"),
    Trait("philtrum_length", 0.0080, {"WS": 2.3}, "longer than usual at that age; side", "HP:0000343", "HP:0000322"),
    Trait("lip_fullness", 0.17, {"WS": 2.2}, "height of the red of the lips; relative to usual", "HP:0012471"),
    Trait(
        "mouth_width",
        0.0090,
        {"WS": 1.6, "22q11DS": -1.6},
        "half width of the mouth beyond usual; side",
        "HP:0000154",
        "HP:0000160",
    ),
    Trait("cheek_fullness", 0.0070, {"WS": 2.0}, "half width of the lower cheeks beyond usual; side", "HP:0000293"),
    # 22q11.2 deletion syndrome: McDonald-McGinn et al. 2015 (Nat Rev Dis Primers 1:15071)
    Trait("lid_hooding", 0.13, {"22q11DS": 2.3}, "part of the open eye under the upper lid's fold", "HP:0030820"),
    Trait(
        "bridge_width",
        0.0060,
        {"22q11DS": 2.3},
        "half width of a tubular nasal bridge beyond usual; side",
        "HP:0000431",
    ),
    Trait("nose_tip", 0.15, {"22q11DS": 2.3}, "bulbous tip; relative to usual", "HP:0000414"),
    Trait("face_narrowness", 0.0085, {"22q11DS": 2.3}, "long and narrow: sides in, chin down; side", "HP:0000275"),
    Trait("malar_flatness", 0.30, {"22q11DS": 2.1}, "cheekbones without relief; 1 is flat", "HP:0000272"),
    # "other": one composite of features that neither of the two has
    Trait("fissure_slant", 0.0055, {"other": 2.3}, "outer corner of the eye lowered; side", "HP:0000494", "HP:0000582"),
    Trait("eye_spacing", 0.0060, {"other": 2.3}, "each eye further out than usual; side", "HP:0000316", "HP:0000601"),
    Trait("brow_thickness", 0.20, {"other": 2.2}, "relative to usual", "HP:0000574"),
    Trait("brow_arch", 0.0060, {"other": 2.2}, "middle of the brow raised; side", "HP:0002553"),
    Trait(
        "forehead_width",
        0.0090,
        {"other": 2.1},
        "half width at the temples beyond usual; side",
        "HP:0000337",
        "HP:0000341",
    ),
    Trait("chin_smallness", 0.0100, {"other": 2.2}, "chin raised and narrowed; side", "HP:0000347"),
    Trait("ear_lowness", 0.0110, {"other": 2.0}, "ears lower than usual; side", "HP:0000369"),
    Trait("ear_size", 0.11, {"other": 1.6, "22q11DS": -1.6}, "relative to usual", "HP:0000400", "HP:0008551"),
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


AVERAGE_LOOKS: Final = Looks(
    masculinity=0.4,
    skin_tone=0.35,
    skin_warmth=0.5,
    hair_shade=0.35,
    hair_red=0.0,
    hair_style=8,
    hair_volume=0.5,
    hair_part=0.0,
    curl=0.5,
    hairline=0.0,
    balding=0.0,
    greying_years=46.0,
    brow_shade=0.5,
    iris_hue=0.3,
    beard=0.0,
    freckles=0.0,
    jaw_width=0.0,
    face_width=0.0,
    nose_width=0.0,
    eye_size=0.0,
    brow_height=0.0,
    lip_bow=0.0,
    chin_width=0.0,
    roll_degrees=0.0,
    offset_x=0.0,
    offset_y=0.0,
    light_side=0.4,
    backdrop=(0.62, 0.66, 0.70),
    cloth=(0.35, 0.42, 0.55),
)
"""Looks of an average person in a plain picture."""


@dataclass(frozen=True)
class Phantom:
    """A face that can be drawn at any size.

    Attributes:
        condition: one of `faces.labels.CONDITIONS`, or another name if `faces.phantoms.phenotype` made the phantom.
        age_years: in [0, 120].
        smile: 0 (none) to 1 (broad, teeth seen).
        identity: the seed that fixed all that follows but the condition's shifts.
        traits: trait name -> value in its drawn unit, the condition's shift included.
        looks: the rest of the person.
        signs: features that only HPO terms draw.
        described_terms: ids of the HPO terms that the phantom was made from; None if it was made from a default
            condition. `faces.phantoms.phenotype.find_phenotype` returns the terms of both.
    """

    condition: str
    age_years: float
    smile: float
    identity: int
    traits: Mapping[str, float] = field(compare=False)
    looks: Looks = field(compare=False)
    signs: Signs = field(default=NO_SIGNS, compare=False)
    described_terms: frozenset[str] | None = None

    @property
    def sex(self) -> str:
        """`male` or `female`."""
        return "male" if self.looks.masculinity > 0.5 else "female"

    @property
    def ancestry(self) -> str:
        """Group of skin tones, which stands for the ancestry of a phantom: `light`, `medium` or `dark`."""
        return SKIN_GROUPS[np.searchsorted(_SKIN_GROUP_ENDS, self.looks.skin_tone)]


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
