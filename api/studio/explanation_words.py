"""Texts of pages about methods of explanation and regions of a face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from api.studio.words import mark as _
from faces.conditions.catalogue import Catalogue
from faces.conditions.terms import find_term

USUAL: Final = ("gradcam", "integrated_gradients", "lrp_epsilon_z_plus", "occlusion")
"""Methods that the service takes if none is named."""

METHODS: Final[Mapping[str, str]] = {
    "smoothgrad": _("gradient of the answer, averaged over noisy copies of the picture"),
    "gradient": _("how much the answer changes with each pixel"),
    "integrated_gradients": _("gradient, summed up on the way from the mean colour to the picture"),
    "deeplift": _("difference from the mean colour, passed back to the pixels"),
    "occlusion": _("how much the answer falls when a small window is covered"),
    "guided_backprop": _("gradient that passes positive signals alone"),
    "lrp_epsilon_z_plus": _("relevance, passed back along positive contributions"),
    "lrp_epsilon_z_plus_flat": _("the same, and evenly in the first layer"),
    "lrp_epsilon_alpha2_beta1": _("relevance, passed back along positive and negative contributions"),
    "lrp_epsilon_alpha2_beta1_flat": _("the same, and evenly in the first layer"),
    "excitation_backprop": _("probability, passed back along positive weights"),
    "layer_deeplift": _("difference from the mean colour, at the last stage of the network"),
    "deconvnet": _("positive signals, passed back through the network"),
    "guided_gradcam": _("guided_backprop within the areas of gradcam"),
    "gradcam": _("areas of the last stage of the network; it is coarse"),
}
"""Methods by how well they order the regions of phantoms (docs/explanation.md), each with what it shows."""

REGIONS: Final[Mapping[str, str]] = {
    "forehead": _("forehead"),
    "brows": _("brows"),
    "eyes": _("eyes"),
    "nose": _("nose"),
    "cheeks": _("cheeks"),
    "mouth": _("mouth"),
    "chin": _("chin"),
    "outside": _("outside of the face"),
    "ears": _("ears"),
    "hair": _("hair"),
    "overall": _("the whole face"),
    "other": _("other features"),
}
"""Regions of a face, and features that are of none."""


def list_terms(catalogue: Catalogue, condition: str) -> dict[str, list[tuple[str, str, float | None]]]:
    """List the facial features of a condition by region: HPO term, its name, and the share of patients who have it."""
    known = catalogue.find(condition)
    terms: dict[str, list[tuple[str, str, float | None]]] = {}
    for one in () if known is None else known.terms:
        term = find_term(one.term_id).term
        terms.setdefault(term.region or "other", []).append((term.id, term.label, one.frequency))
    return terms
