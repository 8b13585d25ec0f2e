"""Lists of survey packs, explanations and assessments: in pages, of their owner, and recorded."""

from __future__ import annotations

import httpx
import pytest

from api.access.ownership import Kind
from api.operations.clock import now_ms
from api.photographs.records import (
    AssessmentRecord,
    ExplanationRecord,
    PackRecord,
    PhotographFace,
    SyntheticFace,
    new_id,
)
from gestaltgen_client import Client
from tests.api.lab import Lab, good, refused

PATHS = ("/v1/stimuli", "/v1/explanations", "/v1/assessments")


@pytest.fixture(scope="module")
def photo(lab: Lab) -> str:
    return lab.photo(0)


@pytest.fixture(scope="module")
def made(lab: Lab, photo: str) -> dict[str, list[str]]:
    """Ids of three things of each kind, made of a photograph, by the path of their list."""
    service, made = lab.service, {path: sorted(new_id() for _ in range(3)) for path in PATHS}
    for one in made["/v1/stimuli"]:
        service.survey_packs.add(PackRecord(one, "lab", (photo,), {}, now_ms(), now_ms() + 10**7))
        service.ownership.give(one, Kind.STIMULI, "lab")
    for one in made["/v1/explanations"]:
        service.explanations.add(ExplanationRecord(one, "lab", PhotographFace(photo), {"methods": []}, now_ms()))
        service.ownership.give(one, Kind.EXPLANATION, "lab")
    for one in made["/v1/assessments"]:
        service.assessments.add(AssessmentRecord(one, "lab", PhotographFace(photo), {"syndrome": "KdVS"}, now_ms()))
        service.ownership.give(one, Kind.ASSESSMENT, "lab")
    return made


def read_pages(http: httpx.Client, path: str) -> list[list[str]]:
    pages, following = [], f"{path}?limit=2"
    while following:
        page = good(http.get(following))
        pages.append([item["id"] for item in page["items"]])
        following = page["next"]
    return pages


@pytest.mark.parametrize("path", PATHS)
def test_a_list_comes_in_pages_to_its_owner_alone(lab: Lab, made: dict[str, list[str]], path: str) -> None:
    assert read_pages(lab.http, path) == [made[path][:2], made[path][2:]]
    assert good(lab.other.get(path)) == {"items": [], "next": None}
    assert refused(lab.http.get(f"{path}?limit=101"), 422)


@pytest.mark.parametrize("path", PATHS)
def test_a_list_is_recorded_for_each_photograph(lab: Lab, photo: str, made: dict[str, list[str]], path: str) -> None:
    since = lab.service.audit.head()
    good(lab.http.get(path))
    recorded = [one for one in lab.service.audit.entries() if one.seq > since.seq]
    assert [(one.action, one.photo, one.outcome) for one in recorded] == [(f"GET {path}", photo, "done")]


def test_a_key_for_image_sets_lists_explanations_of_synthetic_faces_alone(lab: Lab, made: dict[str, list[str]]) -> None:
    refused(lab.sets_only.get("/v1/stimuli"), 403)
    refused(lab.sets_only.get("/v1/assessments"), 403)
    synthetic = new_id()
    face = SyntheticFace("0" * 32, 0)
    lab.service.explanations.add(ExplanationRecord(synthetic, "lab", face, {"methods": []}, now_ms()))
    lab.service.ownership.give(synthetic, Kind.EXPLANATION, "lab")
    assert [one for page in read_pages(lab.sets_only, "/v1/explanations") for one in page] == [synthetic]
    lab.service.ownership.release(synthetic, "lab")


def test_the_client_reads_all_pages(lab: Lab, made: dict[str, list[str]]) -> None:
    key = lab.http.headers["Authorization"].removeprefix("Bearer ")
    with Client(str(lab.http.base_url), key=key) as client:
        assert [one.id for one in client.packs()] == made["/v1/stimuli"]
        assert [one.id for one in client.explanations()] == made["/v1/explanations"]
        assert [one.id for one in client.assessments()] == made["/v1/assessments"]
