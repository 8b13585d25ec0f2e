"""Requests of pages to the routes of programs, in process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import JSONResponse

from api.dependencies import ImageSetsCaller
from api.problem_types import ProblemType
from api.problems import Problem
from api.studio.page_route import PageRoute, ReaderDep
from api.studio.service_calls import call_service, check_answer, read_problem
from tests.api.studio.conftest import Studio, csrf_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)
SET = {"kind": "unrelated", "conditions": ["WS"]}


@router.post("/studio/trial")
async def make_set(request: Request, caller: ImageSetsCaller) -> Response:
    form = await request.form()
    asked = SET | {"count": int(str(form["count"]))}
    answer = await call_service(request, "POST", "/v1/image-sets", json=asked, headers={"Prefer": "wait=20"})
    if answer.status_code == 422:
        return JSONResponse([entry["field"] for entry in read_problem(answer).errors], 422)
    return JSONResponse(check_answer(answer).json())


@router.get("/studio/trial")
def fail(reader: ReaderDep) -> Response:
    raise ZeroDivisionError("a secret of the service")


@pytest.fixture(scope="module", autouse=True)
def trial(studio: Studio) -> None:
    app: FastAPI = studio.app
    app.router.routes[:0] = router.routes


def test_a_page_asks_the_service_as_its_reader(studio: Studio) -> None:
    http = studio.visit(studio.key)
    csrf = csrf_of(http.get("/studio").text)
    made = http.post("/studio/trial", data={"csrf": csrf, "count": 1}).json()
    assert http.get(f"/v1/image-sets/{made['id']}").status_code == 200
    other = studio.visit(studio.other)
    assert other.get(f"/v1/image-sets/{made['id']}").status_code == 404
    assert http.post("/studio/trial", data={"csrf": csrf, "count": 0}).json() == ["count"]


def test_many_pages_of_one_session_do_not_wait_for_each_other(studio: Studio) -> None:
    http = studio.visit(studio.key)
    csrf = csrf_of(http.get("/studio").text)
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda n: http.post("/studio/trial", data={"csrf": csrf, "count": n + 1}), range(8))
        assert {answer.status_code for answer in answers} == {200}


def test_a_problem_of_the_service_is_the_same_one_for_a_page() -> None:
    problem = Problem(ProblemType.TOO_MANY_JOBS, "too many", headers={"Retry-After": "3"})
    sent = problem.response("/v1/image-sets")
    read = read_problem(httpx.Response(sent.status_code, headers=sent.headers, content=bytes(sent.body)))
    assert (read.type, read.detail, read.headers) == (problem.type, "too many", {"Retry-After": "3"})


def test_a_page_that_fails_says_so_on_a_page(studio: Studio, caplog: pytest.LogCaptureFixture) -> None:
    answer = studio.visit(studio.key).get("/studio/trial")
    assert answer.status_code == 500
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "secret" not in answer.text
    assert "ZeroDivisionError" in caplog.text
