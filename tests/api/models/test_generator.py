from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.app import create_app
from api.models.generator import GeneratorModel
from api.settings import Settings
from core.errors import CheckpointError, ConfigError, RequestError
from core.precision import resolve_precision
from gestaltgen_client import Client, ServiceError
from tests.api.serving import serving
from tests.api.tiny import tiny_checkpoint


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="module")
def model(weights: Path) -> GeneratorModel:
    return GeneratorModel(weights)


@pytest.fixture(scope="module")
def client(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = Settings(state=tmp_path_factory.mktemp("state"), weights=weights, threads=1, without_keys=True)
    with serving(create_app(settings)) as url, Client(url) as client:
        yield client


@pytest.mark.parametrize(
    ("fields", "images"),
    [
        ({"kind": "unrelated"}, 3 * 5 * 10),
        ({"kind": "unrelated", "conditions": ["WS"], "seeds": list(range(10))}, 10),
        ({"kind": "age_related", "conditions": ["WS"], "ages": ["child"], "count": 7}, 7),
        ({"kind": "age_progression", "seeds": [1, 2]}, 3 * 2 * 5),
        ({"kind": "blended"}, 3 * 3 * 5 * 4),
        ({"kind": "blended", "conditions": ["WS"], "partners": ["WS", "other"], "count": 2}, 10),
        ({"kind": "average"}, 15),
    ],
)
def test_the_limit_counts_what_is_expanded(model: GeneratorModel, fields: dict[str, Any], images: int) -> None:
    assert len(model.plan(fields, images).rows) == images
    with pytest.raises(RequestError, match=f"would have {images} images; a set has at most {images - 1}"):
        model.plan(fields, images - 1)


def test_a_million_is_refused_before_it_is_expanded(model: GeneratorModel) -> None:
    with pytest.raises(RequestError, match="would have 15000000000000 images"):
        model.plan({"kind": "age_related", "count": 10**12}, 100_000)


def test_planning_again_gives_the_same_plan(model: GeneratorModel, weights: Path) -> None:
    plan = model.plan({"kind": "age_progression", "conditions": ["WS"], "count": 2}, 100)
    again = GeneratorModel(weights).plan(plan.asked, 100)
    assert again == plan
    assert plan.resolved["weights_sha256"] == model.info.weights_sha256
    assert np.array_equal(model.render(plan, plan.rows[3:5]), model.render(again, again.rows[3:5]))


@pytest.mark.parametrize(("faster", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_plan_settles_its_precision_for_every_machine(
    model: GeneratorModel, monkeypatch: pytest.MonkeyPatch, faster: bool, expected: str
) -> None:
    monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda: faster)
    fields = {"kind": "age_progression", "conditions": ["WS"], "count": 2}
    plan = model.plan(fields | {"precision": "auto"}, 100)
    assert plan.asked["precision"] == plan.resolved["precision"] == plan.request.precision == expected
    assert model.describe(plan, plan.rows[0])["precision"] == expected
    assert model.face(plan, plan.rows[0]).precision == expected
    monkeypatch.setattr("core.precision.is_bfloat16_faster", lambda: not faster)
    assert model.plan(plan.asked, 100) == plan
    assert model.plan(fields, 100).resolved["precision"] == "float32"  # as what was stored before it was a choice


@pytest.mark.parametrize("asked", ["auto", "float32", "bfloat16"])
def test_a_set_says_its_precision(client: Client, asked: str) -> None:
    image_set = client.create(kind="average", conditions=["WS"], precision=asked).wait(timeout_s=60)
    assert image_set.request["precision"] == resolve_precision(asked, "cpu")
    assert {item.row["precision"] for item in image_set} == {resolve_precision(asked, "cpu")}
    if asked == "auto":
        assert client.create(kind="average", conditions=["WS"]).id == image_set.id


def test_weights_without_labels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        GeneratorModel(tmp_path / "none.safetensors")


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_is_not_there(weights: Path, device: str) -> None:
    with pytest.raises(ConfigError, match=f"device '{device}' cannot be used"):
        GeneratorModel(weights, device)


@pytest.mark.parametrize(
    ("fields", "soft_label"),
    [
        ({"kind": "unrelated", "conditions": ["22q11DS"], "count": 1}, (0, 1, 0, 0)),
        ({"kind": "age_related", "conditions": ["WS"], "count": 2}, (1, 0, 0, 0)),
        ({"kind": "age_progression", "conditions": ["unaffected"], "count": 2}, (0, 0, 0, 1)),
        ({"kind": "blended", "conditions": ["WS"], "partners": ["other"], "blend": 0.75}, (0.75, 0, 0.25, 0)),
        ({"kind": "average", "conditions": ["other"]}, (0, 0, 1, 0)),
    ],
)
def test_every_kind_comes_over_http(client: Client, fields: dict[str, Any], soft_label: tuple[float, ...]) -> None:
    items = list(client.create(**fields, precision="float32").wait(timeout_s=60))
    assert {item.soft_label for item in items} == {soft_label}
    assert [item.row["age_group"] for item in items[:5]] == sorted(
        (item.row["age_group"] for item in items[:5]),
        key=["infant", "child", "adolescent", "young_adult", "older_adult"].index,
    )
    assert items[0].array().shape == (16, 16, 3)
    assert not np.array_equal(items[0].array(), items[-1].array())


def test_a_served_image_is_the_rendered_one(client: Client, model: GeneratorModel) -> None:
    fields: dict[str, Any] = {"kind": "age_progression", "conditions": ["WS"], "count": 20, "precision": "float32"}
    items = list(client.create(**fields).wait(timeout_s=60))
    plan = model.plan(fields, 1000)
    assert items[0].row["person"] == plan.rows[0].to_json()["person"]
    difference = items[70].array().astype(int) - model.render(plan, plan.rows[70:71])[0]
    assert np.abs(difference).max() <= 1  # another batch


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "unrelated", "blend": 0.5}, "blend"),
        ({"kind": "unrelated", "truncation": 1.5}, "truncation"),
        ({"kind": "unrelated", "ages": ["toddler"]}, "ages"),
        ({"kind": "blended", "conditions": ["WS"], "partners": ["Noonan"]}, "partners"),
        ({"kind": "unrelated", "count": 1, "seeds": [1]}, "seeds"),
        ({"kind": "unrelated", "count": 10**6}, "count"),
        ({"kind": "unrelated", "count": 90_000}, "count"),
    ],
)
def test_the_generators_refusals_name_the_field(client: Client, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(ServiceError) as caught:
        client.create(**fields)
    assert caught.value.status == 422
    [entry] = caught.value.problem["errors"]
    assert entry["field"] == field
    assert entry["value"] == fields[field]
    if field in ("ages", "partners"):
        assert entry["accepted"]
