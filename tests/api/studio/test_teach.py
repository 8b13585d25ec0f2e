"""Sheets for teaching: recipes become image sets, which are shown with their mark."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx
import pytest

from api.resources import Resources
from api.studio.routes.teach import RECIPES
from tests.api.studio.conftest import Studio, csrf_of

SHEET = "/studio/teach/sheet"
CHOICES = {
    "age_progression": {"conditions": ["WS", "22q11DS"], "count": "2"},
    "unrelated": {"conditions": "WS", "ages": "child", "count": "2"},
    "average": {"conditions": ["WS", "unaffected"], "ages": ["child"]},
    "blended": {"conditions": "WS", "partners": "unaffected", "blend": "0.55", "ages": ["child"], "count": "1"},
}


@pytest.fixture(scope="module")
def teacher(studio: Studio) -> httpx.Client:
    return studio.visit(studio.sets_only)


def make(http: httpx.Client, kind: str, **values: object) -> httpx.Response:
    page = http.get(SHEET, params={"kind": kind}).text
    answer = http.post(SHEET, data={"csrf": csrf_of(page), "kind": kind, "seed": "5", **CHOICES[kind], **values})
    for _ in range(600):
        if answer.status_code != 200 or "sheet.pdf" in answer.text:
            return answer
        answer = http.get(answer.url)
    raise AssertionError("the image set of the sheet was not made")


def test_the_first_page_leads_to_every_recipe_and_to_quizzes(teacher: httpx.Client) -> None:
    page = teacher.get("/studio/teach").text
    assert all(f'href="{SHEET}?kind={kind}"' in page for kind in RECIPES)
    assert 'href="/studio/teach/quiz"' in page


@pytest.mark.parametrize("kind", CHOICES)
def test_a_recipe_becomes_a_sheet_with_its_mark(teacher: httpx.Client, kind: str) -> None:
    page = make(teacher, kind).text
    assert "Synthetic image" in page
    assert "ffffffffffff" in page
    assert page.count("?format=webp") >= 2
    assert page.count('alt="synthetic face, ') == page.count("?format=webp")


def test_a_recipe_is_another_one_with_another_number(teacher: httpx.Client) -> None:
    first = make(teacher, "age_progression").url
    assert make(teacher, "age_progression").url == first
    assert make(teacher, "age_progression", seed="6").url != first


@pytest.mark.parametrize(
    "values", [{"count": "0"}, {"count": "many"}, {"conditions": "nothing"}, {"conditions": []}, {"ages": []}]
)
def test_errors_of_the_service_stand_beside_their_field(teacher: httpx.Client, values: dict[str, object]) -> None:
    answer = make(teacher, "unrelated", **values)
    assert answer.status_code == 422
    assert f'id="{next(iter(values))}-error"' in answer.text


@pytest.mark.parametrize("path", [SHEET, "/studio/teach/quiz", "/studio/image-sets/new/unrelated"])
def test_the_generator_is_sent_with_the_form(
    studio: Studio, teacher: httpx.Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    [info] = studio.service.worker.models.infos
    monkeypatch.setattr(Resources, "list_models", lambda *_: [info, replace(info, name="second")])
    page = teacher.get(path).text
    [form] = re.findall(rf'<form[^>]* method="post" action="{path}".*?</form>', page, re.DOTALL)
    assert re.findall(r'name="model"', page) == re.findall(r'<select[^>]* (name="model")', form) == ['name="model"']


def test_there_is_no_recipe_of_another_kind(teacher: httpx.Client) -> None:
    assert teacher.get(SHEET, params={"kind": "<b>"}).status_code == 404


def test_a_sheet_belongs_to_its_owner(studio: Studio, teacher: httpx.Client) -> None:
    address = make(teacher, "average").url
    assert studio.visit(studio.other).get(address).status_code == 404
