"""Requests for image sets as forms send them, and as programs write them: `curl` and Python."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import ImmutableMultiDict

from api.studio.forms import read_number
from api.studio.words import mark as _
from faces.image_set_request import MINIMA, Kind

LISTS: Final = ("conditions", "ages", "partners")
"""Fields of which a form has a box for each choice."""

NUMBERS: Final = ("count", "total_images", "seed", "truncation", "blend", *MINIMA)
TEXTS: Final = ("age_steps", "noise", "precision", "model", "classifier")
SEEDS: Final = "seeds"
SCORES: Final = "scores"

FIELDS: Final = (*LISTS, *NUMBERS, *TEXTS, SEEDS, SCORES)
"""Fields of forms, by the names of the service."""


@dataclass(frozen=True)
class KindOfSet:
    """Kind of image set as pages present it.

    Args:
        name: of the service.
        title: for people.
        summary: a sentence that says what the images are.
        counted: what `count` counts.
    """

    name: Kind
    title: str
    summary: str
    counted: str = ""


KINDS: Final[Mapping[str, KindOfSet]] = {
    kind.name: kind
    for kind in (
        KindOfSet(
            "age_progression",
            _("One person through the ages"),
            _("Every person is shown at each age, from infancy to old age, in steps of the same face."),
            _("Persons with each condition"),
        ),
        KindOfSet(
            "age_related",
            _("The same person in separate age groups"),
            _("Every person is shown in each age group; the groups are independent, so that persons look less alike."),
            _("Persons with each condition"),
        ),
        KindOfSet(
            "unrelated",
            _("Unrelated people"),
            _("Every image shows another person, as in a collection of patients."),
            _("Images of each condition and age"),
        ),
        KindOfSet(
            "blended",
            _("Blends of two conditions"),
            _("Every face is a mix of two conditions; its label says how much of each, for training classifiers."),
            _("Images of each pair of conditions and each age"),
        ),
        KindOfSet(
            "average",
            _("Average faces"),
            _("One image for each condition and age: what 10,000 random faces have in common."),
        ),
    )
}
"""Kinds of image sets in the order in which pages offer them."""


def read_request(kind: str, values: ImmutableMultiDict[str, Any]) -> dict[str, Any]:
    """Return the body that a form asks the service for. What cannot be a number stays as it is: the service says why.

    Args:
        kind: of the image set.
        values: fields of the form; empty ones are left out.
    """
    body: dict[str, Any] = {"kind": kind}
    for name in LISTS:
        if chosen := values.getlist(name):
            body[name] = chosen
    for name in (*NUMBERS, *TEXTS):
        if text := str(values.get(name, "")).strip():
            body[name] = read_number(text) if name in NUMBERS else text
    if values.get(SCORES):
        body[SCORES] = True
    if seeds := str(values.get(SEEDS, "")).replace(",", " ").split():
        body[SEEDS] = [read_number(seed) for seed in seeds]
    return body


def write_curl(url: str, body: Mapping[str, Any], *, with_key: bool) -> str:
    """Write a request as a command of a shell.

    Args:
        url: address of the service, without a path.
        with_key: whether the service asks for an API key.
    """
    key = ' -H "Authorization: Bearer $GESTALTGEN_KEY"' if with_key else ""
    text = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl -s {url}/v1/image-sets{key} \\\n  -H 'Content-Type: application/json' \\\n  -d {text}"


def write_python(url: str, body: Mapping[str, Any], *, with_key: bool) -> str:
    """Write a request as a program with the client; arguments as `write_curl`."""
    fields = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in body.items())
    key = ', key=os.environ["GESTALTGEN_KEY"]' if with_key else ""
    return "\n".join(
        [
            *(["import os", ""] if with_key else []),
            "from gestaltgen_client import Client",
            "",
            f"with Client({json.dumps(url)}{key}) as client:",
            f"    image_set = client.create({fields}).wait()",
            '    image_set.download("images")',
        ]
    )
