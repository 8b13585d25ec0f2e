import json
import math

from core.json_text import replace_nonfinite, to_json_text


def test_numbers_that_json_does_not_have_become_null() -> None:
    value = {"a": math.nan, 2: (1.5, -math.inf), "c": {"d": [math.inf, "é"]}}
    assert replace_nonfinite(value) == {"a": None, "2": [1.5, None], "c": {"d": [None, "é"]}}
    assert json.loads(to_json_text(value)) == replace_nonfinite(value)
