"""Persons of the experiment: every facial term at one frequency, independently, at all ages and with all smiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from faces.conditions.catalogue import Condition, FacialTerm
from faces.conditions.terms import list_facial_terms
from faces.images import Pixels
from faces.phantoms.drawing import draw_phantom
from faces.phantoms.drawn_terms import DRAWN_TERMS
from faces.phantoms.person import Phantom
from faces.phantoms.phantom_dataset import nth_described_phantom
from faces.phantoms.phenotype import find_phenotype, is_visible

TERMS: Final = tuple(term.id for term in list_facial_terms() if term.id in DRAWN_TERMS)
"""The facial terms of Sümer et al. 2023 that are drawn, in the order of the network's answers."""

FREQUENCY: Final = 0.2
TRAIN_SEED: Final = 2601
TEST_SEED: Final = 2602

_EVERYBODY: Final = Condition("unaffected", "Any terms", terms=tuple(FacialTerm(term, FREQUENCY) for term in TERMS))


@dataclass(frozen=True)
class Faces:
    """Pictures with the truth about them.

    Attributes:
        images: uint8 (n, side, side, 3).
        present: (n, terms) bool.
        visible: (n, terms) bool; False where a term, if present, cannot be seen, as those of the teeth without a smile.
    """

    images: Pixels
    present: npt.NDArray[np.bool_]
    visible: npt.NDArray[np.bool_]


def nth_person(seed: int, index: int) -> Phantom:
    """Make a person; persons of another seed are other persons."""
    return nth_described_phantom(seed, index, [_EVERYBODY], ())


def draw_faces(seed: int, count: int, side: int) -> Faces:
    """Draw the first `count` persons of a seed."""
    images = np.empty((count, side, side, 3), np.uint8)
    present, visible = np.zeros((2, count, len(TERMS)), np.bool_)
    for index in range(count):
        of = nth_person(seed, index)
        images[index] = draw_phantom(of, side).image
        terms = find_phenotype(of).present
        present[index] = [term in terms for term in TERMS]
        visible[index] = [is_visible(term, of) for term in TERMS]
    return Faces(images, present, visible)
