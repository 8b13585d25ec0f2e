"""Settings as people write them on a command line."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.errors import ConfigError


def value_of(name: str, text: str, kind: Any) -> Any:
    """The value of this type that a text stands for: JSON, or a bare word.

    Args:
        name: of the setting, for messages.

    Raises:
        ConfigError: it stands for none.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{name} is {text!r}: {error.errors()[0]['msg']}") from None
