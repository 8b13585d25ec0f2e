import subprocess
import sys
from typing import Any

import pytest

from core.errors import RequestError
from faces.image_set_request import ImageSetRequest, published_count
from gen.imagesets import expand
from gen.labels import Vocabulary

LABELS = Vocabulary()
COUNTS = {"WS": {"infant": 10, "child": 23}, "22q11DS": {"child": 40}, "other": {"infant": 7}}


def test_the_module_loads_without_torch() -> None:
    code = "import sys; import faces.image_set_request; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "unrelated", "count": 3},
        {"kind": "unrelated", "seeds": tuple(range(15))},
        {"kind": "age_related", "seeds": (1, 2), "conditions": ("WS",)},
        {"kind": "age_progression", "ages": ("infant", "child")},
        {"kind": "blended", "partners": ("WS", "unaffected")},
        {"kind": "average"},
    ],
)
def test_images_are_counted_without_making_the_rows(fields: dict[str, Any]) -> None:
    request = ImageSetRequest(**fields)
    assert request.count_images(LABELS, COUNTS) == len(expand(request, LABELS, COUNTS))


@pytest.mark.parametrize(
    ("fields", "total", "count"),
    [
        ({"kind": "age_progression"}, 30, 2),  # 3 affected conditions in 5 ages
        ({"kind": "unrelated", "conditions": ("WS",), "ages": ("child",)}, 7, 7),
        ({"kind": "blended", "conditions": ("WS",)}, 45, 3),  # 3 partners in 5 ages
    ],
)
def test_a_total_is_the_count_that_makes_so_many_images(fields: dict[str, Any], total: int, count: int) -> None:
    asked = ImageSetRequest(**fields, total_images=total)
    assert len(expand(asked, LABELS, {})) == total
    same = ImageSetRequest(**fields, count=count)
    assert asked.resolve(LABELS, {}, "abc") == same.resolve(LABELS, {}, "abc")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "age_progression", "total_images": 2000}, "multiple of 15, such as 1995 or 2010"),
        ({"kind": "age_progression", "total_images": 4}, "such as 15"),
        ({"kind": "age_progression", "total_images": 0}, "integer from 1"),
        ({"kind": "age_progression", "total_images": 15, "count": 1}, "one of the three"),
        ({"kind": "average", "total_images": 15}, "no meaning"),
    ],
)
def test_totals_that_no_set_can_have(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        ImageSetRequest(**fields).with_defaults(LABELS)
    assert caught.value.field == "total_images"


def test_json_has_what_differs_from_the_defaults_and_gives_the_request_again() -> None:
    request = ImageSetRequest("unrelated", conditions=("WS",), seeds=(1, 2), precision="bfloat16")
    assert request.to_json() == {
        "kind": "unrelated",
        "conditions": ["WS"],
        "seeds": [1, 2],
        "precision": "bfloat16",
    }
    assert ImageSetRequest.from_json(request.to_json()) == request


def test_published_counts_are_means_over_ages_and_shared_by_partners() -> None:
    assert published_count("age_progression", 33, ages=5, conditions=4) == 7
    assert published_count("blended", 33, ages=5, conditions=4) == 3
    assert published_count("unrelated", 1, ages=5, conditions=4) == 1
    assert published_count("blended", 27, ages=3, conditions=4) == 3  # exactly, not a rounding error above it
