"""Page to explore one person: sliders for age, condition and smile, with pictures that `GET /v1/face` renders."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import RedirectResponse

from api.dependencies import ImageSetsCaller, ServiceDep, find_model
from api.models.model import Model, ModelInfo
from api.schemas.image_sets import FaceQuery, Seed
from api.studio.page_route import PageRoute
from api.studio.pages import render
from api.studio.service_calls import call_service, check_answer
from api.studio.words import translate as _
from faces.image_set_request import DEFAULT_TRUNCATION, OLDEST_YEARS
from faces.labels import UNAFFECTED, AgeGroup, find_age_group
from gen.imagesets import list_middle_years

router = APIRouter(route_class=PageRoute, include_in_schema=False)

EXPLORE: Final = "/studio/explore"

_SEEDS: Final = 1_000_000
"""Number of persons that are drawn at random; their seeds are short enough to be read aloud."""

_SMILE_STEPS: Final = 8
"""Steps of the slider for the smile to either side, of half a standard deviation of the latents each."""

_SMILE: Final = "smile"
_MUCH: Final = 2.0
"""Standard deviations beyond which a smile is changed much."""

_WAIT: Final = {"Prefer": "wait=20"}
_KEPT: Final = "^[0-9a-f]{32}(/images/[0-9](/edits/[0-9a-f]{32})?)?$"
_Kept = Annotated[str, StringConstraints(pattern=_KEPT, max_length=200)]


class View(BaseModel):
    """State of the page, which is its address.

    Attributes:
        model: name of the generator; None takes the first.
        condition, partner: those that the generator does not know are replaced by others.
        blend: weight of the condition; the rest is the partner's.
        seed, other: the person, and the second one; None draws one at random.
        strength: units along the direction of the smile.
        pair: whether the second person is shown.
        without: whether each person is also shown without the condition.
        draw: the person who is replaced by another one.
        kept: path below the image sets' of the page of each face that was just kept: of its edit, if the smile is
            changed, else of the image; of the set, if that takes longer.
    """

    model_config = ConfigDict(frozen=True)

    model: str | None = Field(None, max_length=200)
    condition: str = Field("", max_length=200)
    partner: str = Field("", max_length=200)
    blend: float = Field(1.0, ge=0, le=1, allow_inf_nan=False)
    years: float = Field(8.0, ge=0, le=OLDEST_YEARS, allow_inf_nan=False)
    seed: Seed | None = None
    other: Seed | None = None
    truncation: float = Field(DEFAULT_TRUNCATION, ge=0, le=1, allow_inf_nan=False)
    strength: float = Field(0.0, ge=-100, le=100, allow_inf_nan=False)
    pair: bool = False
    without: bool = False
    draw: Literal["seed", "other"] | None = None
    kept: list[_Kept] = Field(default_factory=list, max_length=4)

    @property
    def query(self) -> str:
        """Query of the address."""
        return urlencode(self.model_dump(exclude_defaults=True), doseq=True)

    @property
    def path(self) -> str:
        """Address of the page."""
        return f"{EXPLORE}?{self.query}"

    @property
    def seeds(self) -> list[int]:
        """Seeds of the persons who are shown."""
        return [seed for seed in (self.seed, self.other if self.pair else None) if seed is not None]

    def complete(self, info: ModelInfo, *, smiles: bool) -> View:
        """Return the view with persons, and with what the generator knows.

        Args:
            info: the generator.
            smiles: whether it has a direction of the smile.
        """
        known = info.conditions
        affected = [name for name in known if name != UNAFFECTED] or list(known)
        update: dict[str, Any] = {
            name: secrets.randbelow(_SEEDS)
            for name in ("seed", "other")
            if name == self.draw or getattr(self, name) is None
        }
        update["condition"] = self.condition if self.condition in known else affected[0]
        update["partner"] = self.partner if self.partner in known else known[-1]
        update |= {"model": info.name, "draw": None, "pair": self.pair or self.draw == "other"}
        return self.model_copy(update=update if smiles else update | {"strength": 0.0})

    def list_faces(self, info: ModelInfo) -> list[FaceQuery]:
        """List the faces of the first person: with the condition, and perhaps without."""
        shared = {"years", "seed", "truncation", "strength", "model"}
        face = FaceQuery(**self.model_dump(include={"condition", "partner", "blend", *shared}))
        if not self.without or UNAFFECTED not in info.conditions:
            return [face]
        return [face, FaceQuery(condition=UNAFFECTED, **self.model_dump(include=shared))]


@dataclass(frozen=True)
class _Picture:
    """A face on the page.

    Attributes:
        src: path of the picture.
        caption: person, condition, age and smile, in words.
        alt: the same for those who do not see the picture.
    """

    src: str
    caption: str
    alt: str


@dataclass(frozen=True)
class _Words:
    """Words for a view of one generator.

    Attributes:
        name_condition: returns the full name of a condition.
        ages: of the generator.
        view: the view.
        spread: standard deviation of the latents along the direction of the smile.
    """

    name_condition: Callable[[str], str]
    ages: tuple[AgeGroup, ...]
    view: View
    spread: float

    def describe_mix(self, face: FaceQuery) -> str:
        """Return the condition of a face, or two with their weights."""
        mix = {face.condition: 1.0}
        if face.partner not in (None, face.condition):
            mix = {face.condition: face.blend, str(face.partner): 1 - face.blend}
        parts = {self.name_condition(name): weight for name, weight in mix.items() if weight}
        return ", ".join(name if weight == 1 else f"{100 * weight:.0f} % {name}" for name, weight in parts.items())

    @property
    def weight(self) -> str:
        """Weight of the condition."""
        return f"{100 * self.view.blend:.0f} %"

    @property
    def age(self) -> str:
        """Age in years, and its group."""
        group = find_age_group(self.view.years, self.ages).name
        return _("%(years)s years (%(group)s)") % {"years": f"{self.view.years:g}", "group": _name_age_group(group)}

    @property
    def smile(self) -> str:
        """Change of the smile."""
        spreads = self.view.strength / self.spread
        if not spreads:
            return _("as it is")
        if spreads > 0:
            words = _("much more") if spreads > _MUCH else _("a little more")
        else:
            words = _("much less") if spreads < -_MUCH else _("a little less")
        return f"{words} ({self.view.strength:+.2f})"

    @property
    def variety(self) -> str:
        """Truncation."""
        psi = self.view.truncation
        words = (
            _("the average face")
            if psi == 0
            else _("typical faces")
            if psi <= DEFAULT_TRUNCATION
            else _("rare faces too")
        )
        return f"{psi:g} ({words})"

    def show(self, face: FaceQuery) -> _Picture:
        """Return the picture of a face with its words."""
        label = f"{self.describe_mix(face)}, {self.age}"
        if face.strength:
            label += _(", smile %(smile)s") % {"smile": self.smile}
        asked = face.model_dump(exclude_none=True) | {"format": "jpeg"}
        person = _("Person %(seed)s") % {"seed": face.seed}
        alt = _("Synthetic face: %(label)s, %(person)s") % {"label": label, "person": person}
        return _Picture(f"/v1/face?{urlencode(asked)}", f"{person}: {label}", alt)


def _name_age_group(name: str) -> str:
    """Return the name of an age group in the language of the reader, if it is one of the published ones."""
    names = {
        "infant": _("infant"),
        "child": _("child"),
        "adolescent": _("adolescent"),
        "young_adult": _("young adult"),
        "older_adult": _("older adult"),
    }
    return names.get(name, name)


@router.get(EXPLORE)
def explore(
    request: Request, service: ServiceDep, caller: ImageSetsCaller, asked: Annotated[View, Query()]
) -> Response:
    """Show the page; an address that leaves a person open leads to one with a person drawn at random."""
    models = [info.name for info in service.list_models(caller) if info.conditions]
    if not models:
        return render(request, "explore/empty.html")
    model = find_model(service, caller, asked.model or models[0])
    spread = _find_spread(model)
    info, view = model.info, asked.complete(model.info, smiles=spread is not None)
    if asked.draw is not None or asked.seed is None or asked.other is None:
        return RedirectResponse(view.path, 303)

    def name_condition(name: str) -> str:
        if name == UNAFFECTED:
            return _("unaffected")
        return service.catalogue.describe(name, info.identifiers.get(name, {})).label

    ages = tuple(AgeGroup(age.name, age.from_years, age.to_years or math.inf) for age in info.ages)
    words = _Words(name_condition, ages, view, spread or 1.0)
    middles = list_middle_years(ages)
    faces = [face.model_copy(update={"seed": seed}) for seed in view.seeds for face in view.list_faces(info)]
    pictures = [words.show(face) for face in faces]
    return render(
        request,
        "explore/explore.html",
        info=info,
        models=[(name, name) for name in models],
        view=view,
        words=words,
        pictures=pictures,
        kept=list(zip(view.kept, pictures, strict=False)),
        conditions=[(name, name_condition(name)) for name in info.conditions],
        years=(math.ceil(middles[0]), math.floor(middles[-1])),
        smile_step=None if spread is None else round(spread / 2, 2),
        most_smile_steps=_SMILE_STEPS,
        can_compare=UNAFFECTED in info.conditions and len(info.conditions) > 1,
    )


@router.post(f"{EXPLORE}/keep")
async def keep(
    request: Request, service: ServiceDep, caller: ImageSetsCaller, asked: Annotated[View, Query()]
) -> Response:
    """Make image sets of the faces of a view, and edits of their images where the smile is changed."""
    model = find_model(service, caller, asked.model)
    view = asked.complete(model.info, smiles=_find_spread(model) is not None)
    rows = [await _keep(request, face, view.seeds) for face in view.list_faces(model.info)]
    kept = [path for person in zip(*rows, strict=True) for path in person]
    return RedirectResponse(view.model_copy(update={"kept": kept}).path + "#kept", 303)


async def _keep(request: Request, face: FaceQuery, seeds: list[int]) -> list[str]:
    """Keep a face of each person, and return the paths of `View.kept`."""
    body = face.list_set_fields() | {"seeds": seeds, "model": face.model}
    made = check_answer(await call_service(request, "POST", "/v1/image-sets", json=body, headers=_WAIT)).json()
    if made["state"] != "done":
        return [made["id"]] * len(seeds)
    images = [f"{made['id']}/images/{n}" for n in range(made["total"])]
    edit = face.list_edit_fields()
    if edit is None:
        return images
    paths = [f"{image}/edits" for image in images]
    answers = [check_answer(await call_service(request, "POST", f"/v1/image-sets/{path}", json=edit)) for path in paths]
    return [f"{path}/{answer.json()['id']}" for path, answer in zip(paths, answers, strict=True)]


def _find_spread(model: Model) -> float | None:
    """Return the standard deviation of the latents along the direction of the smile; None if there is none."""
    return next((direction.spread for direction in model.directions() if direction.name == _SMILE), None)
