"""Least size of a group of faces about which anything is said."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from core.errors import DatasetError

LEAST_FACES: Final = 5


def refuse_small_group(name: str, persons: Collection[str]) -> None:
    """Refuse a group of fewer than LEAST_FACES faces of different persons.

    Raises:
        DatasetError: it is smaller; the message names it.
    """
    if len(set(persons)) < LEAST_FACES:
        raise DatasetError(
            f"the group {name} has {len(persons)} faces of {len(set(persons))} persons; expected faces of "
            f"{LEAST_FACES} persons or more: add some, or leave the group out"
        )
