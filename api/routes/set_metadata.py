"""Routes of the metadata of image sets: Croissant, a data-set card, GestaltMatcher, phenopackets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import IO, Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from api.access.api_keys import Caller
from api.dependencies import CompleteSet, ImageSetsCaller, ServiceDep
from api.documented_responses import FILE
from api.file_responses import cached_file
from api.image_sets.file_cache import CachedFile
from api.image_sets.storage import StoredRequest
from api.resources import Resources
from faces.datasets.exports import croissant as croissant_format
from faces.datasets.exports import gestaltmatcher_table, phenopacket_lines

router = APIRouter(prefix="/v1/image-sets", tags=["image sets"])


async def _make(
    service: Resources, caller: Caller, known: StoredRequest, name: str, write: Callable[[str, IO[bytes]], None]
) -> CachedFile:
    """Return a file of a set by its name, which is made if it is missing."""
    return await service.work.run(caller.owner, service.cache.get, f"{known.id}-{name}", partial(write, known.id))


@router.head("/{set_id}/croissant.json", include_in_schema=False)
@router.get("/{set_id}/croissant.json", summary="Croissant metadata", responses=FILE, response_class=Response)
async def croissant(request: Request, service: ServiceDep, caller: ImageSetsCaller, known: CompleteSet) -> Response:
    """Metadata in Croissant 1.1, which name the set's archive and manifest with their checksums."""
    write_archive = partial(service.open_derived_files(known).archive, known.id)
    archive = await service.work.run(caller.owner, service.cache.get, f"{known.id}.zip", write_archive)
    write = partial(service.open_set_metadata(known).croissant, archive_sha256=archive.sha256)
    made = await _make(service, caller, known, "croissant.json", write)
    return cached_file(request, made, croissant_format.MEDIA_TYPE)


@router.head("/{set_id}/README.md", include_in_schema=False)
@router.get("/{set_id}/README.md", summary="A data-set card", responses=FILE, response_class=Response)
async def card(request: Request, service: ServiceDep, caller: ImageSetsCaller, known: CompleteSet) -> Response:
    """A data-set card of Hugging Face: what the pictures are, how many of each condition and age, and their limits."""
    made = await _make(service, caller, known, "README.md", service.open_set_metadata(known).card)
    return cached_file(request, made, "text/markdown; charset=utf-8")


@router.head("/{set_id}/image_metadata.tsv", include_in_schema=False)
@router.get("/{set_id}/image_metadata.tsv", summary="A GestaltMatcher table", responses=FILE, response_class=Response)
async def gestaltmatcher(
    request: Request, service: ServiceDep, caller: ImageSetsCaller, known: CompleteSet
) -> Response:
    """The pictures in the columns of GestaltMatcher's metadata, and the name of each picture."""
    made = await _make(service, caller, known, "image_metadata.tsv", service.open_set_metadata(known).gestaltmatcher)
    return cached_file(request, made, gestaltmatcher_table.MEDIA_TYPE)


@router.head("/{set_id}/phenopackets.jsonl", include_in_schema=False)
@router.get("/{set_id}/phenopackets.jsonl", summary="Phenopackets", responses=FILE, response_class=Response)
async def phenopackets(
    request: Request,
    service: ServiceDep,
    caller: ImageSetsCaller,
    known: CompleteSet,
    individuals: Annotated[  # required: nobody gets records of people who do not exist without asking for them
        Literal["synthetic"], Query(description="`synthetic`: the people do not exist, and each packet says so.")
    ],
) -> Response:
    """A phenopacket (GA4GH, version 2) a line for each synthetic person and age."""
    made = await _make(service, caller, known, "phenopackets.jsonl", service.open_set_metadata(known).phenopackets)
    return cached_file(request, made, phenopacket_lines.MEDIA_TYPE)
