"""What the service counts of itself: every figure moves with what it measures, and none says whose it is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest

from api.access.api_keys import Scope
from api.access.ownership import Kind
from api.app import create_app
from api.operations.metrics import Metrics
from api.settings import Settings
from tests.api.exported import Figures, figures, wait_until
from tests.api.fake import FakeModel, served
from tests.api.lab import good, phantom, refused
from tests.api.serving import caller, serving

DOCS: Final = Path(__file__).parents[3] / "docs"
SETS: Final = "/v1/image-sets"
LARGE: Final = {"kind": "age_progression", "conditions": ["WS"], "count": 20}
SMALL: Final = LARGE | {"count": 1}
OF_LIBRARY: Final = ("process_", "python_")


@dataclass(frozen=True)
class Counting:
    """A service with a free model, and a caller with a key for everything."""

    app: Any
    url: str
    http: httpx.Client
    model: FakeModel

    def moved(self, what: Callable[[], object], name: str, **labels: str) -> float:
        """By how much a figure moves while something is done; what follows an answer is waited for."""
        before, deadline = figures(self.http).of(name, **labels), time.monotonic() + 5
        what()
        while (by := figures(self.http).of(name, **labels) - before) == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        return by

    def make(self, **fields: Any) -> dict[str, Any]:
        """A complete set."""
        return good(self.http.post(SETS, json=LARGE | fields, headers={"Prefer": "wait=20"}))

    def idle(self) -> None:
        """Wait until no job is at work: one ends a moment after its set is complete."""
        wait_until(self.app.state.service.jobs.is_idle)


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counting]:
    model = FakeModel()
    settings = Settings(state=tmp_path_factory.mktemp("state"), max_body_bytes=2000)
    app = create_app(settings, load=served(model))
    with serving(app) as url, caller(app, url, "lab") as http:
        yield Counting(app, url, http, model)


# Sets


def test_a_set_is_counted_from_its_rows_to_its_bytes(counting: Counting) -> None:
    before = figures(counting.http)
    made = counting.make(seed=10)
    counting.idle()
    after = figures(counting.http)
    lines = good_lines(counting.http.get(f"{SETS}/{made['id']}/manifest.jsonl"))

    def moved(name: str, **labels: str) -> float:
        return after.of(f"gestaltgen_{name}", **labels) - before.of(f"gestaltgen_{name}", **labels)

    assert moved("images_total", kind="age_progression", model="fake") == 100
    assert moved("batch_images_count", turn="large") == 4
    assert moved("batch_images_sum", turn="large") == 100
    assert moved("batch_images_bucket", turn="large", le="8.0") == 1  # 32, 32, 32 and 4
    assert moved("render_seconds_count", model="fake") == 4
    assert moved("encode_seconds_count", format="png") == 100
    assert moved("store_seconds_count") == 4
    assert moved("stored_images_total") == 100
    assert moved("stored_bytes_total") == sum(line["bytes"] for line in lines)
    assert moved("job_part_seconds_count", kind="image-set", part="chunk") == 4
    assert moved("job_part_seconds_count", kind="image-set", part="seal") == 1
    assert moved("jobs_total", kind="image-set", outcome="done") == 1
    assert moved("jobs_total") == 1
    for seconds in ("render", "encode", "store", "job_part"):
        assert moved(f"{seconds}_seconds_sum") > 0


def test_seconds_are_those_that_it_took(counting: Counting) -> None:
    counting.model.chunk_s = 0.2
    try:
        assert counting.moved(lambda: counting.make(seed=20), "gestaltgen_render_seconds_sum") == pytest.approx(
            0.8, abs=0.5
        )
    finally:
        counting.model.chunk_s = 0.0


def test_images_of_other_sets_are_stored_but_not_rendered(counting: Counting) -> None:
    counting.make(seed=30, count=10)
    before = figures(counting.http)
    counting.make(seed=30, count=20)
    after = figures(counting.http)
    for name, images in (("images_total", 50), ("encode_seconds_count", 50), ("stored_images_total", 100)):
        assert after.of(f"gestaltgen_{name}") - before.of(f"gestaltgen_{name}") == images


def test_a_small_set_is_a_batch_without_a_job(counting: Counting) -> None:
    counting.idle()
    before = figures(counting.http)
    counting.make(count=1, seed=40)
    after = figures(counting.http)
    assert (
        after.of("gestaltgen_batch_images_sum", turn="small") - before.of("gestaltgen_batch_images_sum", turn="small")
        == 5
    )
    assert after.of("gestaltgen_jobs_total") == before.of("gestaltgen_jobs_total")


def test_other_formats_are_encoded_too(counting: Counting) -> None:
    made = counting.make(count=1, seed=50)
    path = f"{SETS}/{made['id']}/images/0"
    moved = counting.moved(
        lambda: counting.http.get(path, params={"format": "webp"}), "gestaltgen_encode_seconds_count", format="webp"
    )
    assert moved == 1


def test_jobs_are_counted_by_how_they_end(counting: Counting) -> None:
    ended = "gestaltgen_jobs_total"
    counting.model.broken = True
    try:

        def fail() -> None:
            assert good(counting.http.post(SETS, json=LARGE | {"seed": 60}, headers={"Prefer": "wait=20"}), 202)

        assert counting.moved(fail, ended, kind="image-set", outcome="failed") == 1
    finally:
        counting.model.broken = False
    counting.model.chunk_s = 0.1
    try:
        job = good(counting.http.post(SETS, json=LARGE | {"seed": 61}), 202)["links"]["job"]

        def cancel_twice() -> None:
            for _ in range(2):
                assert good(counting.http.post(f"{job}/cancel"))["state"] == "cancelled"

        before = figures(counting.http).of(ended)
        assert counting.moved(cancel_twice, ended, kind="image-set", outcome="cancelled") == 1
        counting.idle()
        assert figures(counting.http).of(ended) == before + 1
    finally:
        counting.model.chunk_s = 0.0


# Requests


def test_requests_are_counted_by_route_and_status(counting: Counting) -> None:
    labels = {"method": "GET", "route": SETS + "/{set_id}", "status": "404"}
    ask = lambda: counting.http.get(f"{SETS}/00ff00ff")  # noqa: E731
    assert counting.moved(ask, "gestaltgen_http_requests_total", **labels) == 1
    del labels["status"]
    assert counting.moved(ask, "gestaltgen_http_request_seconds_count", **labels) == 1
    assert counting.moved(ask, "gestaltgen_http_request_seconds_sum", **labels) > 0


@pytest.mark.parametrize(
    ("reason", "method", "path", "given"),
    [
        ("malformed", "POST", SETS, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        ("no_key", "GET", SETS, {"headers": {"Authorization": "Bearer gestaltgen_wrong"}}),
        ("not_found", "GET", "/v1/jobs/none-1", {}),
        ("other_method", "PUT", SETS, {}),
        ("too_large", "POST", SETS, {"content": b" " * 3000}),
        ("media_type", "POST", SETS, {"content": b"kind=unrelated"}),
        ("invalid", "POST", SETS, {"json": {"kind": "portrait"}}),
        ("invalid", "POST", SETS, {"json": SMALL | {"conditions": ["Noonan"]}}),
        ("media_type", "POST", "/v1/verify", {"content": b"GIF89a"}),
        ("bad_picture", "POST", "/v1/verify", {"content": phantom(0)[:1000]}),
    ],
)
def test_requests_are_refused_for_a_reason(
    counting: Counting, reason: str, method: str, path: str, given: dict[str, Any]
) -> None:
    def ask() -> None:
        assert counting.http.request(method, path, **given).status_code >= 400

    total = figures(counting.http).of("gestaltgen_rejected_total")
    assert counting.moved(ask, "gestaltgen_rejected_total", reason=reason) == 1
    assert figures(counting.http).of("gestaltgen_rejected_total") == total + 1


def test_a_fault_of_the_service_has_its_reason(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    made = counting.make(seed=10)
    monkeypatch.setattr(counting.app.state.service.store, "manifest", lambda set_id: 1 // 0)

    def ask() -> None:
        path = f"{counting.url}{SETS}/{made['id']}/images/0"  # by a connection of its own, which ends with it
        assert httpx.get(path, headers=counting.http.headers).status_code == 500

    assert counting.moved(ask, "gestaltgen_rejected_total", reason="failure") == 1


def test_what_is_not_known_is_one_route_and_one_method(counting: Counting) -> None:
    counting.moved(lambda: counting.http.get("/nothing"), "gestaltgen_http_requests_total", route="unknown")
    counting.moved(lambda: counting.http.request("FROB", SETS), "gestaltgen_http_requests_total", method="other")
    before, series = figures(counting.http), set()

    async def ask() -> None:
        transport = httpx.ASGITransport(app=counting.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:
            for n in range(1000):
                await http.request(f"FROB{n}" if n % 10 == 0 else "GET", f"/nothing-{n}/patient-{n}?smith={n}")

    anyio.run(ask)
    after = figures(counting.http)
    for export in (before, after):
        series.add(len([sample for family in export.families for sample in family.samples]))
    assert max(series) - min(series) < 40  # a method and its buckets, of the route that is none
    assert after.label_values() - before.label_values() <= {"404", "405"}
    assert after.of("gestaltgen_rejected_total", reason="not_found") >= 900


# The queue


@pytest.mark.parametrize(
    ("figures_", "broken", "gone"),
    [
        ("queue", "jobs.count_by_kind", "gestaltgen_jobs_waiting"),
        ("retention", "eraser.find_expired", "gestaltgen_retention_overdue"),
    ],
)
def test_what_cannot_be_looked_up_is_left_out_and_the_rest_told(
    counting: Counting, monkeypatch: pytest.MonkeyPatch, figures_: str, broken: str, gone: str
) -> None:
    def trouble(*_: object) -> None:
        raise OSError("the database is busy")

    part, _, method = broken.partition(".")
    before = figures(counting.http)
    monkeypatch.setattr(getattr(counting.app.state.service, part), method, trouble)
    figures(counting.http)  # what fails is counted for the next
    seen = figures(counting.http)
    assert seen.of("gestaltgen_lookup_failures_total", figures=figures_) == 1
    assert seen.of("gestaltgen_lookup_failures_total") == before.of("gestaltgen_lookup_failures_total") + 1
    names = {family.name for family in seen.families}
    assert gone not in names
    assert {family.name for family in before.families} - names <= {
        "gestaltgen_jobs_waiting",
        "gestaltgen_jobs_running",
        "gestaltgen_queue_oldest_job_age_seconds",
        "gestaltgen_requests_waiting",
        "gestaltgen_retention_overdue",
    }


def test_the_models_and_the_software_are_named(counting: Counting) -> None:
    seen = figures(counting.http)
    assert seen.of("gestaltgen_model_info", model="fake", weights="f" * 12) == 1
    assert seen.of("gestaltgen_model_loaded", model="fake") == 1
    assert seen.of("gestaltgen_build_info") == 1
    assert seen.of("gestaltgen_state_free_bytes") > 0
    assert seen.of("process_resident_memory_bytes") > 0
    assert seen.of("gestaltgen_model_task_seconds_count") >= 1  # the proof that it can make an image


# Who may read


def test_figures_are_for_a_key_of_their_own(counting: Counting) -> None:
    others = caller(counting.app, counting.url, "lab", Scope.IMAGE_SETS, Scope.PHOTOS)
    reader = caller(counting.app, counting.url, "prometheus", Scope.METRICS)
    with others, reader, httpx.Client(base_url=counting.url) as nobody:
        assert nobody.get("/metrics").status_code == 401
        assert "this needs metrics" in refused(others.get("/metrics"), 403)
        assert figures(reader).of("gestaltgen_build_info") == 1
        for path in ("/v1/models", SETS, "/v1/photos", "/v1/jobs", "/v1/jobs/none-1", "/v1/conditions"):
            refused(reader.get(path), 403)
        refused(reader.post("/v1/verify", content=phantom(0)), 403)


# What is said of them


def test_what_has_few_values_begins_at_nought() -> None:
    """So that the first of something is seen to have happened."""
    seen = Figures(Metrics(Kind).export().decode())
    for name in ("rejected", "erasures", "photographs_refused", "jobs", "erasure_failures", "lookup_failures"):
        [family] = [family for family in seen.families if family.name == f"gestaltgen_{name}"]
        assert family.samples, name
        assert {sample.value for sample in family.samples} == {0}
    assert seen.of("gestaltgen_jobs_total", kind=Kind.STIMULI.value, outcome="cancelled") == 0


def exported(counting: Counting) -> dict[str, tuple[str, frozenset[str], str]]:
    """Type, labels and help of everything that the service exports, by its name in queries."""
    counting.make(seed=10)
    counting.make(count=1, seed=40)
    found = {}
    for family in figures(counting.http).families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
        found[name] = (family.type, labels, family.documentation)
    return found


def test_everything_has_a_help_text_a_unit_and_is_documented(counting: Counting) -> None:
    found = exported(counting)
    assert all(about for _, _, about in found.values())
    ours = {name: what for name, what in found.items() if not name.startswith(OF_LIBRARY)}
    assert all(name.startswith("gestaltgen_") for name in ours)
    table = re.findall(
        r"^\| `(gestaltgen_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$", (DOCS / "service.md").read_text(), re.MULTILINE
    )
    documented = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels)), about) for name, kind, labels, about in table}
    assert documented == ours


def test_the_dashboard_asks_for_what_there_is(counting: Counting) -> None:
    dashboard = json.loads((DOCS / "grafana.json").read_text())
    assert dashboard["schemaVersion"] >= 38  # Grafana 10
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    found, asked = exported(counting), set()
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["title"]
        assert panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= {"job", "__rate_interval"}
            asked |= names_in(target["expr"], found)
            assert target["expr"].count("(") == target["expr"].count(")")
    assert {name for name in found if name.startswith("gestaltgen_")} <= asked  # each has its panel


def test_the_alerts_ask_for_what_there_is(counting: Counting) -> None:
    rules = re.findall(r"^ +expr: (.*)$", (DOCS / "service.md").read_text(), re.MULTILINE)
    assert len(rules) == 3
    found = exported(counting)
    for rule in rules:
        assert names_in(rule, found)
    [reasons] = re.findall(r'reason=~"([\w|]+)"', " ".join(rules))
    known = {
        sample.labels["reason"]
        for family in figures(counting.http).families
        if family.name == "gestaltgen_rejected"
        for sample in family.samples
    }
    assert set(reasons.split("|")) <= known


def names_in(query: str, found: dict[str, tuple[str, frozenset[str], str]]) -> set[str]:
    """The metrics of a query, all of which there are, with the labels that it groups by."""
    names, labels = set(), {"le", "job", "instance"}
    for name in re.findall(r"\b(?:gestaltgen|process|python)_\w+", query):
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        known = base if base != name and found.get(base, ("",))[0] == "histogram" else name
        assert known in found, name
        names.add(known)
        labels |= found[known][1]
    for group in re.findall(r"(?:by|on|group_left) \(([^)]*)\)", query):
        assert {label.strip() for label in group.split(",")} <= labels, query
    return names


def good_lines(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]
