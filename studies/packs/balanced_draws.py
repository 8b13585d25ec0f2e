"""Random draws that are balanced over groups, and random codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np

T = TypeVar("T")

_CODE_DIGITS: Final = 8


def draw_balanced(
    items: Sequence[T], group_of: Callable[[T], str], count: int, rng: np.random.Generator, uses: Sequence[int] = ()
) -> list[T]:
    """Draw items, as evenly from their groups as the groups allow, and within a group the least used ones first.

    Args:
        count: at most the number of items.
        uses: how often each item was used before; empty if none was.
    """
    used = np.array(uses or [0] * len(items))
    groups: dict[str, list[int]] = {}
    for at in rng.permutation(len(items)).tolist():
        groups.setdefault(group_of(items[at]), []).append(at)
    members = [sorted(groups[name], key=lambda at: used[at]) for name in sorted(groups)]
    shares = np.zeros(len(members), dtype=int)
    while shares.sum() < count:
        open_groups = [at for at, group in enumerate(members) if shares[at] < len(group)]
        shares[rng.permutation(open_groups)[: count - shares.sum()]] += 1
    return [items[at] for group, share in zip(members, shares, strict=True) for at in group[:share]]


def draw_codes(count: int, prefix: str, rng: np.random.Generator) -> list[str]:
    """Draw different names of images: the prefix, an underscore and eight random hexadecimal digits."""
    drawn: dict[str, None] = {}
    while len(drawn) < count:
        drawn[f"{prefix}_{rng.integers(16**_CODE_DIGITS):0{_CODE_DIGITS}x}"] = None
    return list(drawn)
