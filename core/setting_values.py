"""Settings as people write them on a command line: `--set NAME=VALUE`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.errors import ConfigError


def split_settings(texts: Sequence[str], option: str = "--set", example: str = "r1_gamma=2") -> dict[str, str]:
    """Split NAME=VALUE texts into a mapping; of two texts with one name the last counts.

    Args:
        option, example: the option on the command line and one of its values, for messages.

    Raises:
        ConfigError: a text without an equals sign.
    """
    settings = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise ConfigError(f"{option} {text!r}; expected NAME=VALUE, as {example}")
        settings[name.strip()] = value.strip()
    return settings


def parse_value(name: str, text: str, kind: Any) -> Any:
    """Parse the text of a setting, JSON or a bare word, into a value of a type.

    Args:
        name: name of the setting, for messages.
        text: for example "2.5", "[1, 2]" or "adam".
        kind: the type, as in an annotation.

    Raises:
        ConfigError: the text is no value of this type.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigError(f"{name} is {text!r}: {error.errors()[0]['msg']}") from None
