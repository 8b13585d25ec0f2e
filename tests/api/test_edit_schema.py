"""What a request for an edit may say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.schemas.edits import EditBody


def test_how_a_smile_is_applied_is_kept_only_where_it_was_said() -> None:
    assert EditBody.model_validate({"smile": 0.2, "apply": "warp"}).dump_fields()["apply"] == "warp"
    assert "apply" not in EditBody.model_validate({"smile": 0.2}).dump_fields()


@pytest.mark.parametrize("body", [{"strength": 1.0, "apply": "warp"}, {"smile": 0.2, "local": False, "apply": "warp"}])
def test_a_warp_is_refused_where_it_cannot_be(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="a warp reaches a smile, and is always local"):
        EditBody.model_validate(body)
