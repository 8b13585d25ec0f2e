"""The interface, the settings and docs/service.md tell the same."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.openapi_page import render_reference
from api.schemas.image_sets import ImageSetBody
from api.settings import Settings
from tests.api.conftest import Running

DOCS = (Path(__file__).parents[2] / "docs" / "service.md").read_text()


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_every_setting_is_documented() -> None:
    for name, about in Settings.model_fields.items():
        default = "" if about.default is None else f"`{about.default}`"
        assert f"| `GESTALTGEN_{name.upper()}` | {default} | {about.description} |" in DOCS


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GESTALTGEN_PORT", "9001")
    monkeypatch.setenv("GESTALTGEN_PRECISION", "float16")
    with pytest.raises(ValueError, match="'float32' or 'bfloat16'"):
        Settings()
    monkeypatch.setenv("GESTALTGEN_PRECISION", "bfloat16")
    assert (Settings().port, Settings().precision) == (9001, "bfloat16")


def test_every_route_is_described(openapi: dict[str, Any]) -> None:
    operations = {
        (path, method): operation for path, methods in openapi["paths"].items() for method, operation in methods.items()
    }
    assert len(operations) >= 16
    for (path, method), operation in operations.items():
        assert operation.get("summary"), (path, method)
        assert operation.get("description"), (path, method)
        assert operation["tags"], (path, method)
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (path, parameter["name"])


def test_every_field_is_described(openapi: dict[str, Any]) -> None:
    body = openapi["components"]["schemas"]["ImageSetBody"]
    assert set(body["properties"]) == set(ImageSetBody.model_fields)
    for name, schema in body["properties"].items():
        assert schema.get("description"), name
    assert {example["kind"] for example in body["examples"]} == set(body["properties"]["kind"]["enum"])


def test_the_examples_are_valid(running: Running, openapi: dict[str, Any]) -> None:
    for example in openapi["components"]["schemas"]["ImageSetBody"]["examples"]:
        assert running.http.post("/v1/image-sets", json=example).status_code == 202


def test_problems_are_described_as_what_they_are_sent_as(openapi: dict[str, Any]) -> None:
    refused = openapi["paths"]["/v1/image-sets"]["post"]["responses"]["422"]
    assert set(refused["content"]) == {"application/problem+json"}
    assert "HTTPValidationError" not in str(openapi["paths"])


def test_every_path_of_the_documentation_exists(openapi: dict[str, Any]) -> None:
    paths = set(openapi["paths"])
    for path in re.findall(r"(?:GET|POST) (/v1/[^`\s]+)", DOCS):
        assert re.sub(r"\{\w+\}", "{}", path) in {re.sub(r"\{\w+\}", "{}", known) for known in paths}, path
    for path in re.findall(r"^\| `(/[^`]+)` \|", DOCS, re.MULTILINE):
        assert f"/v1/image-sets/{{set_id}}{path}" in paths
    assert "GET /v1/jobs" in DOCS


def test_the_description_is_served(running: Running) -> None:
    assert running.http.get("/openapi.json").json()["info"]["title"] == "gestaltgen"


def test_the_root_says_what_the_service_is_and_where_to_go(running: Running) -> None:
    answer = running.http.get("/").json()
    assert (answer["name"], bool(answer["version"])) == ("gestaltgen", True)
    for path in answer["links"].values():
        assert running.http.get(path).status_code == 200, path
    page = running.http.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert 'href="/docs"' in page.text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_name_no_other_host_and_may_load_nothing(running: Running, path: str) -> None:
    page = running.http.get(path, headers={"Accept": "text/html"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert re.findall(r"""(?:https?:)?//[\w.-]+""", page.text) == []
    assert not re.search(r"<(?:script|img|link|iframe|object|form)\b|\son\w+=|javascript:|style=", page.text)
    policy = dict(part.split(maxsplit=1) for part in page.headers["Content-Security-Policy"].split("; "))
    [style] = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.pop("style-src") == f"'sha256-{digest}'"
    assert set(policy) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert set(policy.values()) == {"'none'"}


def test_the_reference_has_every_operation_and_every_field(running: Running, openapi: dict[str, Any]) -> None:
    page = running.http.get("/docs").text
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            assert f"<code>{method.upper()} {path}</code>" in page
            assert f'id="{operation["operationId"]}"' in page
    for name, schema in openapi["components"]["schemas"].items():
        section = page[page.index(f'<h3 id="{name}">') :]
        assert all(f"<code>{field}</code>" in section for field in schema.get("properties", ()))
    assert {*re.findall(r'href="#(\w+)"', page)} <= {*re.findall(r'id="(\w+)"', page)}


def test_the_reference_takes_no_html_from_descriptions() -> None:
    hostile = "<script>alert(1)</script>"
    operation = {"operationId": hostile, "tags": [hostile], "summary": hostile, "description": hostile}
    field = {"type": "string", "default": hostile, "description": hostile}
    document = {
        "info": {"title": hostile, "summary": hostile, "description": hostile},
        "paths": {"/": {"get": operation | {"responses": {"200": {"description": hostile}}}}},
        "components": {"schemas": {hostile: {"properties": {hostile: field}, "examples": [hostile]}}},
    }
    assert "<script" not in render_reference(document)
