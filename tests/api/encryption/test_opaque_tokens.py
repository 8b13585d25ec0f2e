from __future__ import annotations

import pytest

from api.encryption.opaque_tokens import OpaqueTokens

TOKENS = OpaqueTokens(b"s" * 32, "quiz")


def test_a_token_holds_its_value_and_does_not_show_it() -> None:
    token = TOKENS.seal({"condition": "WS", "n": [1, 2]})
    assert TOKENS.open(token) == {"condition": "WS", "n": [1, 2]}
    assert token == TOKENS.seal({"condition": "WS", "n": [1, 2]})
    assert token != TOKENS.seal({"condition": "WS", "n": [1, 3]})


def test_what_the_service_did_not_seal_for_this_purpose_is_not_opened() -> None:
    token = TOKENS.seal("value")
    changed = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    others = [OpaqueTokens(b"s" * 32, "other"), OpaqueTokens(b"t" * 32, "quiz")]
    for wrong in (changed, token[:-4], "", "ä", "=", "x" * 20_000, *(other.seal("value") for other in others)):
        assert TOKENS.open(wrong) is None


@pytest.mark.parametrize("value", ["", 0, [], {"a": "ü"}])
def test_any_value_of_json_can_be_sealed(value: object) -> None:
    assert TOKENS.open(TOKENS.seal(value)) == value
