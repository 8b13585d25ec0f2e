"""What can be asked for: conditions, age groups, models."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from api.provenance import NOTICE
from api.schemas import AgeGroupOut, ConditionOut, ConditionsOut, ModelOut, ModelsOut, ProblemOut
from api.service import ServiceDep

router = APIRouter(
    prefix="/v1",
    tags=["catalogue"],
    responses={503: {"model": ProblemOut, "description": "The weights are not loaded yet."}},
)


@router.get("/conditions", response_model=ConditionsOut, summary="Conditions and age groups")
def conditions(service: ServiceDep) -> ConditionsOut:
    """The label vocabulary of the weights, in the order of their class indices."""
    info = service.worker.model.info
    return ConditionsOut(
        conditions=[
            ConditionOut(name=name, class_index=index, training_images=dict(info.training_counts.get(name, {})))
            for index, name in enumerate(info.conditions)
        ],
        ages=[AgeGroupOut(**asdict(age)) for age in info.ages],
    )


@router.get("/models", response_model=ModelsOut, summary="Models")
def models(service: ServiceDep) -> ModelsOut:
    """The weights that image sets are made with, and where they come from."""
    info = service.worker.model.info
    return ModelsOut(
        items=[
            ModelOut(
                weights_sha256=info.weights_sha256,
                resolution=info.resolution,
                origin=info.origin,
                licence=info.licence,
                images_seen=info.images_seen,
                notice=NOTICE,
            )
        ]
    )
