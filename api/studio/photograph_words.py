"""Texts of the pages of a photograph: the measures of its reconstruction, and the accesses to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from api.schemas.photographs import AccessOut, QualityOut
from api.studio.words import mark as _
from api.studio.words import translate

_ACTIONS: Final[Mapping[str, str]] = {
    "GET /v1/photos": _("listed the photographs"),
    "POST /v1/photos": _("sent it"),
    "GET /v1/photos/{photo_id}": _("looked up how well it is reproduced"),
    "DELETE /v1/photos/{photo_id}": _("erased it"),
    "POST /v1/photos/{photo_id}/erase": _("erased it"),
    "GET /v1/photos/{photo_id}/accesses": _("read this list"),
    "GET /v1/photos/{photo_id}/original": _("downloaded the file that was sent"),
    "GET /v1/photos/{photo_id}/crop.png": _("looked at the face"),
    "GET /v1/photos/{photo_id}/landmarks": _("read the landmarks"),
    "GET /v1/photos/{photo_id}/reconstruction.png": _("looked at the reconstruction"),
    "GET /v1/photos/{photo_id}/edits": _("listed the edits"),
    "POST /v1/photos/{photo_id}/edits": _("edited the face"),
    "GET /v1/photos/{photo_id}/edits/{edit_id}": _("looked up an edit"),
    "GET /v1/photos/{photo_id}/edits/{edit_id}/image.png": _("looked at an edited face"),
    "GET /v1/photos/{photo_id}/edits/{edit_id}/before.png": _("looked at the face before an edit"),
    "PUT /v1/photos/{photo_id}/cohort": _("put it into the cohort"),
    "DELETE /v1/photos/{photo_id}/cohort": _("took it out of the cohort"),
    "leave cohort": _("took it out of the cohort"),
    "erase original": _("deleted the file that was sent"),
    "erase photograph": _("erased it"),
}
"""Actions of the audit record, in words; pages count as the routes of the same name."""

_FURTHER_ACTIONS: Final[Mapping[str, str]] = {
    "explanation": _("used an explanation of it"),
    "assessment": _("used an assessment of it"),
    "stimuli": _("used a survey pack with it"),
    "survey pack": _("used a survey pack with it"),
    "studies": _("used a survey pack with it"),
}
"""Actions in words, by a part of their route."""


@dataclass(frozen=True)
class MeasuredValue:
    """A measure of a reconstruction, and what its verdict says of it.

    Attributes:
        value: as it was measured.
        limit: values that count as good; empty where the page knows none.
        outcome: whether it is among them, in words.
    """

    value: float
    limit: str
    outcome: str


def list_measures(quality: QualityOut) -> dict[str, MeasuredValue]:
    """Return the measures of a reconstruction by name.

    Limits are the floors that hold for any inverter. Where one of these does not explain the verdict, the measure was
    compared with other faces of the same generator, and no number is given.
    """
    from inversion.quality import FLOORS, HIGHER_IS_BETTER  # here, so that the service starts without torch

    measures = {}
    for name, higher in HIGHER_IS_BETTER.items():
        if (value := getattr(quality, name)) is None:
            continue
        by_floor, _names = FLOORS.judge({name: value})
        failed = name in quality.because or (quality.verdict == "out of domain" and by_floor != "good")
        limit = ""
        if name in FLOORS.good and failed == (by_floor != "good"):
            limit = _spell_limit(FLOORS.good[name], FLOORS.worst[name], higher=higher)
        if failed:
            text = _("failed by far") if limit and by_floor == "out of domain" else _("failed")
        else:
            text = _("passed") if limit or quality.verdict in ("good", "doubtful") else _("not judged")
        if failed and not limit:
            limit = translate(_("as other faces of this generator"))
        measures[name] = MeasuredValue(value, limit, translate(text))
    return measures


def _spell_limit(good: float, worst: float, *, higher: bool) -> str:
    """Return the limits of a measure, as 'good from 0.92, unusable below 0.84'."""
    text = (
        _("good from %(good)s, unusable below %(worst)s")
        if higher
        else _("good up to %(good)s, unusable above %(worst)s")
    )
    if not higher and not math.isfinite(worst):
        text = _("good up to %(good)s")
    return translate(text) % {"good": f"{good:g}", "worst": f"{worst:g}"}


@dataclass(frozen=True)
class AccessLine:
    """Accesses of one minute by one key and with one outcome.

    Attributes:
        access: the first of them in the order of the list.
        actions: in words, each once.
        routes: method and route of each, once.
    """

    access: AccessOut
    actions: Sequence[str]
    routes: Sequence[str]


def group_accesses(accesses: Sequence[AccessOut]) -> list[AccessLine]:
    """Group neighbouring accesses of one minute by the same key and with the same outcome."""
    lines = []
    for _minute, group in groupby(accesses, lambda one: (f"{one.at:%Y%m%d%H%M}", one.owner, one.key, one.outcome)):
        together = list(group)
        words = dict.fromkeys(describe_action(one.action) for one in together)
        lines.append(AccessLine(together[0], [*words], [*dict.fromkeys(one.action for one in together)]))
    return lines


def describe_action(action: str) -> str:
    """Return an action of the audit record in words."""
    known = _ACTIONS.get(action.replace("/studio/photographs", "/v1/photos").replace("HEAD ", "GET "))
    further = (text for part, text in _FURTHER_ACTIONS.items() if part in action)
    return translate(known or next(further, _("other use")))
