"""Routes of the catalogue: models, conditions, age groups and directions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query

from api.dependencies import AnyCaller, ServiceDep, find_model, find_named_model
from api.models.model import ModelInfo
from api.provenance.claims import NOTICE
from api.schemas.models import (
    AgeGroupOut,
    ConditionOut,
    ConditionsOut,
    DirectionOut,
    DirectionsOut,
    ModelCardsOut,
    ModelOut,
    ModelsOut,
    TrainingImagesOut,
)
from api.schemas.problems import ProblemOut
from faces.conditions.catalogue import Catalogue

router = APIRouter(
    prefix="/v1",
    tags=["catalogue"],
    responses={503: {"model": ProblemOut, "description": "The weights are not loaded yet."}},
)

ModelName = Annotated[
    str | None, Query(alias="model", max_length=200, description="Name from /v1/models; unset takes the first.")
]
ModelPath = Annotated[str, Path(max_length=200, description="Name from /v1/models.")]
_NO_MODEL: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": ProblemOut, "description": "There is no such generator."}
}


@router.get("/conditions", response_model=ConditionsOut, summary="Conditions and age groups")
def conditions(service: ServiceDep, caller: AnyCaller, name: ModelName = None) -> ConditionsOut:
    """The label vocabulary of a generator, in the order of its class indices."""
    info = find_model(service, caller, name).info
    return ConditionsOut(
        model=info.name,
        conditions=[
            _describe_condition(service.catalogue, info, name, index) for index, name in enumerate(info.conditions)
        ],
        ages=[AgeGroupOut(**asdict(age)) for age in info.ages],
    )


def _describe_condition(catalogue: Catalogue, info: ModelInfo, name: str, index: int) -> ConditionOut:
    """Describe a condition of a generator; the catalogue adds to what the checkpoint says."""
    return ConditionOut(
        **catalogue.describe(name, info.identifiers.get(name, {})).to_json(),
        class_index=index,
        training_images=dict(info.training_counts.get(name, {})),
    )


@router.get("/models", response_model=ModelsOut, summary="Models")
def models(service: ServiceDep, caller: AnyCaller) -> ModelsOut:
    """The weights that image sets are made with, and where they come from."""
    return ModelsOut(
        items=[
            ModelOut(
                name=info.name,
                weights_sha256=info.weights_sha256,
                resolution=info.resolution,
                origin=info.origin,
                licence=info.licence,
                images_seen=info.images_seen,
                calibrated_ages=bool(info.age_steps),
                notice=NOTICE,
            )
            for info in service.list_models(caller)
        ]
    )


@router.get(
    "/models/{name}/training-images",
    response_model=TrainingImagesOut,
    summary="Training images",
    responses=_NO_MODEL,
)
def training_images(
    service: ServiceDep,
    caller: AnyCaller,
    name: ModelPath,
) -> TrainingImagesOut:
    """Keys of the images that a generator was trained on, so that no classifier is measured on one of them. Who has an
    image can tell whether it is among them; the image cannot be had from its key."""
    seen = find_named_model(service, caller, name).read_seen_images()
    return TrainingImagesOut(known=seen.known, complete=seen.complete, keys=sorted(seen.keys))


@router.get("/models/{name}/cards", response_model=ModelCardsOut, summary="Model cards", responses=_NO_MODEL)
def model_cards(service: ServiceDep, caller: AnyCaller, name: ModelPath) -> ModelCardsOut:
    """Cards of a generator and of the networks that belong to it: their training, use, measurements and limits."""
    model = find_named_model(service, caller, name)
    return ModelCardsOut(model=model.info.name, cards=dict(model.read_cards()))


@router.get("/directions", response_model=DirectionsOut, summary="Directions")
def directions(service: ServiceDep, caller: AnyCaller, name: ModelName = None) -> DirectionsOut:
    """Directions along which faces of a generator can be edited, their accuracy, and what else each one changes."""
    model = find_model(service, caller, name)
    found = []
    for direction in model.directions():
        effects = direction.effects
        attribute, _, condition = direction.name.partition(" of ")
        found.append(
            DirectionOut(
                name=direction.name,
                attribute=attribute,
                condition=condition or None,
                accuracy=direction.accuracy,
                interval=direction.interval,
                spread=direction.spread,
                flags=list(direction.flags),
                moves=None if effects is None else dict(effects.slopes),
                identity=None if effects is None else effects.identity,
            )
        )
    return DirectionsOut(model=model.info.name, items=found)
