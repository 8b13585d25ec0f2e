"""JSON without NaN and infinity, which JSON does not have and many readers refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def replace_nonfinite(value: Any) -> Any:
    """Return the value with None in place of every NaN and infinity; keys become text, tuples lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): replace_nonfinite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [replace_nonfinite(entry) for entry in value]
    return value


def to_json_text(value: Any, *, indent: int | None = 1) -> str:
    """Return the value as JSON text, null in place of every NaN and infinity."""
    return json.dumps(replace_nonfinite(value), indent=indent, ensure_ascii=False, allow_nan=False)
