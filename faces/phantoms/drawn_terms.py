"""Table of the HPO terms that can be drawn: how far each one moves the parameters of a face, and where it is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

from faces.phantoms.person import TRAITS
from faces.phantoms.signs import Signs

OVERALL: Final = "overall"
"""Region of a term that concerns the whole face."""

_CLEARLY: Final = 4.0
"""Standard deviations of the population by which a trait moves if nothing else is said; HPO calls 2 abnormal."""


@dataclass(frozen=True)
class DrawnTerm:
    """HPO term that can be drawn.

    Attributes:
        term_id: such as "HP:0000343".
        region: one of `faces.phantoms.regions.REGIONS`, or `OVERALL`.
        amounts: name of a trait or of a field of `Signs` -> how much is added to it, in its drawn unit.
        with_teeth: it can only be seen when a smile shows the teeth.
    """

    term_id: str
    region: str
    amounts: Mapping[str, float]
    with_teeth: bool = False


def _describe(term_id: str, region: str, *, with_teeth: bool = False, **amounts: float) -> DrawnTerm:
    return DrawnTerm(term_id, region, MappingProxyType(amounts), with_teeth)


def _describe_trait(term_id: str, region: str, name: str, deviations: float = _CLEARLY) -> DrawnTerm:
    (trait,) = (trait for trait in TRAITS if trait.name == name)
    return DrawnTerm(term_id, region, MappingProxyType({name: deviations * trait.deviation}))


_SUMER: Final = (
    # overall
    _describe("HP:0000276", OVERALL, face_length=0.13),  # Long face
    _describe("HP:0000252", OVERALL, cranium_smallness=1.4),  # Microcephaly
    _describe("HP:0001010", OVERALL, skin_pallor=0.85),  # Hypopigmentation of the skin
    _describe(  # Elfin facies: short upturned nose, wide mouth, widely spaced eyes, full cheeks
        "HP:0004428",
        OVERALL,
        nose_shortness=0.022,
        philtrum_length=0.022,
        nose_upturn=0.9,
        mouth_width=0.018,
        eye_spacing=0.012,
        cheek_fullness=0.024,
        chin_point=0.6,
    ),
    _describe("HP:0000275", OVERALL, face_narrowness=0.034, chin_drop=-0.034),  # Narrow face
    _describe(  # Coarse facial features
        "HP:0000280", OVERALL, coarseness=1.0, lip_fullness=0.5, nose_tip=0.45, brow_thickness=0.7, bridge_width=0.012
    ),
    _describe(  # Triangular face
        "HP:0000325", OVERALL, forehead_width=0.024, chin_point=0.9, cheek_fullness=-0.030
    ),
    _describe("HP:0011800", OVERALL, midface_retrusion=1.0, malar_flatness=1.0),  # Midface retrusion
    _describe("HP:0000465", OVERALL, neck_web=1.0),  # Webbed neck
    # ears
    _describe("HP:0000369", "ears", ear_lowness=0.055),  # Low-set ears
    _describe("HP:0000396", "ears", helix_folding=1.0),  # Overfolded helix
    _describe("HP:0000385", "ears", earlobe_smallness=1.0),  # Small earlobe
    _describe("HP:0000358", "ears", ear_rotation=0.45),  # Posteriorly rotated ears
    _describe("HP:0000411", "ears", ear_protrusion=0.8),  # Protruding ear
    _describe("HP:0000391", "ears", helix_thickness=1.0),  # Thickened helices
    _describe("HP:0000400", "ears", ear_size=0.50),  # Macrotia
    # eyes
    _describe("HP:0000286", "eyes", epicanthus=1.0),  # Epicanthus
    _describe("HP:0000582", "eyes", fissure_slant=-0.026),  # Upslanted palpebral fissure
    _describe("HP:0000508", "eyes", ptosis=1.0),  # Ptosis
    _describe("HP:0000506", "eyes", telecanthus=0.022),  # Telecanthus
    _describe("HP:0000486", "eyes", squint=0.020),  # Strabismus
    _describe("HP:0007730", "eyes", iris_pallor=0.9),  # Iris hypopigmentation
    _describe("HP:0000581", "eyes", fissure_smallness=1.0),  # Blepharophimosis
    _describe("HP:0000494", "eyes", fissure_slant=0.026),  # Downslanted palpebral fissures
    _describe("HP:0000316", "eyes", eye_spacing=0.024, brow_shift=-0.0168),  # Hypertelorism
    _describe("HP:0000520", "eyes", proptosis=1.0),  # Proptosis
    _describe("HP:0002553", "brows", brow_arch=0.026),  # Highly arched eyebrow
    _describe("HP:0005338", "brows", lateral_brow_loss=0.92),  # Sparse lateral eyebrow
    _describe("HP:0000527", "eyes", lash_length=0.026),  # Long eyelashes
    _describe("HP:0007655", "eyes", lid_eversion=1.0),  # Eversion of lateral third of lower eyelids
    # nose
    _describe("HP:0000426", "nose", bridge_height=1.0),  # Prominent nasal bridge
    _describe("HP:0000431", "nose", bridge_width=0.010, bridge_edges=0.016),  # Wide nasal bridge
    _describe("HP:0000414", "nose", nose_tip=0.5, tip_roundness=1.0),  # Bulbous nose
    _describe("HP:0003196", "nose", nose_shortness=0.034, philtrum_length=0.034),  # Short nose: the mouth stays
    _describe("HP:0002000", "nose", columella_shortness=0.022),  # Short columella
    # mouth
    _describe("HP:0000343", "mouth", philtrum_length=0.032, chin_drop=-0.016),  # Long philtrum: the chin stays
    _describe("HP:0000154", "mouth", mouth_width=0.030),  # Wide mouth
    _describe("HP:0010808", "mouth", tongue=1.0),  # Protruding tongue
    _describe("HP:0000179", "mouth", lower_lip_fullness=0.65),  # Thick lower lip vermilion
    _describe("HP:0000232", "mouth", lower_lip_eversion=1.0),  # Everted lower lip vermilion
    _describe("HP:0010807", "mouth", open_bite=1.0, with_teeth=True),  # Open bite
    _describe("HP:0000687", "mouth", tooth_spacing=1.0, with_teeth=True),  # Widely spaced teeth
    _describe("HP:0000691", "mouth", tooth_smallness=0.4, with_teeth=True),  # Microdontia
    # forehead, hair, chin
    _describe("HP:0000348", "forehead", forehead_height=0.055),  # High forehead
    _describe("HP:0000337", "forehead", forehead_breadth=1.0),  # Broad forehead
    _describe("HP:0002286", "hair", hair_fairness=0.9),  # Fair hair
    _describe("HP:0000307", "chin", chin_point=1.0),  # Pointed chin
)

_FURTHER: Final = (
    _describe_trait("HP:0000629", "eyes", "periorbital_fullness"),  # Periorbital fullness
    _describe_trait("HP:0030820", "eyes", "lid_hooding"),  # Hooded eyelid
    _describe("HP:0000601", "eyes", eye_spacing=-0.022, brow_shift=0.0154),  # Hypotelorism
    _describe_trait("HP:0000574", "brows", "brow_thickness"),  # Thick eyebrow
    _describe_trait("HP:0000463", "nose", "nose_upturn"),  # Anteverted nares
    _describe("HP:0003189", "nose", nose_shortness=-0.022, philtrum_length=-0.022),  # Long nose: the mouth stays
    _describe("HP:0000322", "mouth", philtrum_length=-0.026, chin_drop=0.013),  # Short philtrum: the chin stays
    _describe_trait("HP:0012471", "mouth", "lip_fullness"),  # Thick vermilion border
    _describe_trait("HP:0000160", "mouth", "mouth_width", -_CLEARLY),  # Narrow mouth
    _describe_trait("HP:0000272", "cheeks", "malar_flatness"),  # Malar flattening
    _describe_trait("HP:0000293", "cheeks", "cheek_fullness"),  # Full cheeks
    _describe("HP:0000341", "forehead", forehead_breadth=-1.2),  # Narrow forehead
    _describe_trait("HP:0000347", "chin", "chin_smallness"),  # Micrognathia
    _describe_trait("HP:0008551", "ears", "ear_size", -_CLEARLY),  # Microtia
)

DRAWN_TERMS: Final[Mapping[str, DrawnTerm]] = MappingProxyType({term.term_id: term for term in (*_SUMER, *_FURTHER)})
"""The drawn terms by id: those of Sümer et al. 2023 first, then further ones that the traits draw."""

OPPOSITES: Final = (
    ("HP:0000582", "HP:0000494"),  # up- and downslanted palpebral fissures
    ("HP:0000316", "HP:0000601"),  # hyper- and hypotelorism
    ("HP:0000581", "HP:0000520"),  # blepharophimosis and proptosis
    ("HP:0003196", "HP:0003189"),  # short and long nose
    ("HP:0000343", "HP:0000322"),  # long and short philtrum
    ("HP:0000154", "HP:0000160"),  # wide and narrow mouth
    ("HP:0000337", "HP:0000341"),  # broad and narrow forehead
    ("HP:0000400", "HP:0008551"),  # macro- and microtia
)
"""Pairs of which a face shows one at most."""

_SIGNS: Final = frozenset(field.name for field in fields(Signs))


def add_amounts(strengths: Mapping[str, float]) -> tuple[dict[str, float], Signs]:
    """Add up what terms draw.

    Args:
        strengths: id of a drawn term -> strength of its expression; 1 is typical.

    Returns:
        Changes of traits by name, and the signs.
    """
    sums: dict[str, float] = {}
    for term_id, strength in strengths.items():
        for name, amount in DRAWN_TERMS[term_id].amounts.items():
            sums[name] = sums.get(name, 0.0) + strength * amount
    traits = {name: amount for name, amount in sums.items() if name not in _SIGNS}
    return traits, Signs(**{name: amount for name, amount in sums.items() if name in _SIGNS})
