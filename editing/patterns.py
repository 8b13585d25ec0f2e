"""Patterns of attributes: differences between latents of faces that differ in one attribute alone.

The normal of a classifier says how to read an attribute from a latent. Moved along it, a latent soon lies where no face
is, because the normal leans away from everything that goes with the attribute by chance. What changes the attribute and
little else is its pattern (Haufe et al. 2014): the coefficients of latents regressed on all that is read of their faces
at once, so that what each attribute gets is what remains when all others are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.errors import DirectionError
from editing.directions import flatten_latents
from editing.face_readers import AGE, FaceReading
from editing.svm import Floats

IDENTITY: Final = "identity"
_TRAITS: Final = "traits"


def fit_patterns(w: Tensor | Floats, read: FaceReading, groups: npt.NDArray[np.str_]) -> dict[str, Tensor]:
    """Fit the patterns (k, d) of everything that is read from faces, by name: the change of latents with a change
    of one of each of an attribute's k numbers.

    A smile, the age and a condition have one number, the identity as many as are read. Years count as log(1 + years),
    so the pattern of the age is for e times as many. That of a condition leads to it from the mean of all; there is
    none where there is one condition. Faces on which something cannot be read are left out.

    Args:
        w: latents (n, d), or (n, num_ws, d) with all rows equal.
        read: what their faces show.
        groups: (n,) names of what the generator was asked for, a condition each.

    Raises:
        DirectionError: too few faces for so many attributes.
    """
    latents, attributes = flatten_latents(w), scale_attributes(read.attributes)
    names = list(dict.fromkeys(groups.tolist()))
    parts = {name: attributes[name][:, None] for name in read.measured}
    parts |= {name: (groups == name)[:, None].astype(float) for name in names}
    parts |= {IDENTITY: read.identity, _TRAITS: read.traits}
    table = np.concatenate(list(parts.values()), axis=1)
    known = np.isfinite(table).all(axis=1)
    if known.sum() < 10 * table.shape[1]:
        raise DirectionError(
            f"{known.sum()} faces can be read, for {table.shape[1]} attributes and numbers of the identity; expected "
            f"{10 * table.shape[1]} or more: make more faces"
        )
    found = np.linalg.lstsq(table[known], latents[known], rcond=None)[0]
    ends = np.cumsum([part.shape[1] for part in parts.values()])[:-1]
    changes = {name: torch.from_numpy(part).float() for name, part in zip(parts, np.split(found, ends), strict=True)}
    del changes[_TRAITS]
    middle = torch.stack([changes[name] for name in names]).mean(dim=0)
    for name in names:
        changes[name] = changes[name] - middle
    if len(names) == 1:
        del changes[names[0]]
    return changes


def scale_attributes(attributes: Mapping[str, npt.NDArray[Any]]) -> dict[str, Floats]:
    """Convert attributes to the units of patterns: log(1 + years) for the age, the others unchanged."""
    return {name: np.log1p(values) if name == AGE else np.asarray(values) for name, values in attributes.items()}
