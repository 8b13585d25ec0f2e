"""Choice of real images for a batch, a pure function of the seed, the iteration and a rule.

A rule divides the shown images among pools, for instance half of them to the unaffected. Each pool shows all of its
images once in a random order, then all again in another order. The pools are interleaved so evenly that every batch
has their shares to within one image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.errors import ConfigError
from faces.datasets.dataset import UNKNOWN
from faces.labels import UNAFFECTED
from gen.labels import Vocabulary

RULES: Final = ("shuffled", "half_affected", "balanced_conditions", "balanced_cells")
"""Natural shares; half affected, half unaffected (Duong et al. 2022); equal conditions; equal conditions and ages."""

BALANCE_LIMIT: Final = 2.5
"""A group of images is shown at most this many times as often as it occurs; few images shown often are memorised."""

_PERIOD: Final = 1024
"""Number of batches whose order is made at once."""


@dataclass(frozen=True)
class Pool:
    """Images that together have a share of all shown images.

    Args:
        name: name of the pool in the plan.
        share: share of all shown images, in (0, 1].
        members: their indices (n,) in the data.
    """

    name: str
    share: float
    members: npt.NDArray[np.int64]


def pools(sampling: str | Mapping[str, float], labels: Tensor, vocabulary: Vocabulary) -> list[Pool]:
    """Make the pools of a sampling rule, or of shares by name.

    Args:
        sampling: one of RULES; images of unknown condition (or, in balanced_cells, age) keep their natural share.
            Or shares that sum to 1, by condition ("WS"), by condition and age ("WS/infant"), with "unknown" for
            an unknown one; images that are not named are not shown.
        labels: (n, c_dim).

    Raises:
        ConfigError: an unknown rule, a name that no image has, or shares that are negative or do not sum to 1.
    """
    cells = name_cells(labels, vocabulary)
    if not isinstance(sampling, str):
        return _make_pools(sampling, cells)
    if sampling == "shuffled":
        groups = ["all"] * len(cells)
    elif sampling == "half_affected":
        groups = [c if c in (UNKNOWN, UNAFFECTED) else "affected" for c, _ in cells]
        if not {"affected", UNAFFECTED} <= set(groups):
            raise ConfigError(
                f"sampling half_affected needs images of {UNAFFECTED!r} people and of others; "
                f"the data has {', '.join(sorted(set(groups)))}: take sampling shuffled"
            )
    elif sampling == "balanced_conditions":
        groups = [c for c, _ in cells]
    elif sampling == "balanced_cells":
        groups = [UNKNOWN if UNKNOWN in (c, a) else f"{c}/{a}" for c, a in cells]
    else:
        raise ConfigError(f"sampling is {sampling!r}; expected one of {', '.join(RULES)}, or shares by name")
    names = sorted(set(groups))
    unknown = groups.count(UNKNOWN) / len(groups)
    each = (1 - unknown) / max(1, len(names) - (UNKNOWN in names))
    return [Pool(name, unknown if name == UNKNOWN else each, _members(groups, name)) for name in names]


def balance_groups(pools: Sequence[Pool], groups: Sequence[str]) -> list[Pool]:
    """Split pools by group, so that the groups of a pool are shown evenly.

    A group gets at most `BALANCE_LIMIT` times its natural share of the pool; the others share the rest as they occur.

    Args:
        pools: of all images.
        groups: name of the group of each image of the data.
    """
    names = np.array(groups)
    balanced: list[Pool] = []
    for pool in pools:
        present, counts = np.unique(names[pool.members], return_counts=True)
        natural = counts / counts.sum()
        shares = np.minimum(1 / len(present), natural * BALANCE_LIMIT)
        # The rest of the share goes to groups that are larger than the mean.
        common = natural > 1 / len(present)
        shares[common] += (1 - shares.sum()) * natural[common] / max(natural[common].sum(), 1e-12)
        shares /= shares.sum()
        balanced += [
            Pool(f"{pool.name}/{name}", pool.share * float(share), pool.members[names[pool.members] == name])
            for name, share in zip(present, shares, strict=True)
        ]
    return balanced


def name_cells(labels: Tensor, vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """Name condition and age group of each label (n, c_dim). A mixture counts as its largest part, the uniform one as
    `UNKNOWN`."""
    conditions, ages = torch.split(labels, [len(vocabulary.conditions), len(vocabulary.ages)], dim=1)
    return list(zip(_names(conditions, vocabulary.conditions), _names(ages, vocabulary.age_names), strict=True))


class Batches:
    """Endless sequence of batches of a data set.

    Args:
        pools: pools of the images; see `pools`.
        batch: images in a batch.
        seed: seed of every order.
    """

    def __init__(self, pools: Sequence[Pool], batch: int, seed: int) -> None:
        self.pools = tuple(pools)
        self.batch = batch
        self.seed = seed
        self._cumulative = np.cumsum([pool.share for pool in self.pools])
        self._period = lru_cache(maxsize=1)(self._make_period)
        self._order = lru_cache(maxsize=2 * len(self.pools))(self._make_order)

    def real(self, iteration: int) -> Tensor:
        """Return the indices (batch,) of the real images of an iteration."""
        period, position = divmod(iteration, _PERIOD)
        chosen = self._period(period)[position * self.batch :][: self.batch]
        # The minibatch deviation compares images by their places, so those of a pool must not keep the same places.
        return torch.from_numpy(chosen[_random(self.seed, 2, iteration).permutation(self.batch)])

    def random(self, n: int, draw: torch.Generator) -> Tensor:
        """Draw indices (n,) with the shares of the pools, for the labels of generated images."""
        point = torch.rand(2, n, generator=draw, dtype=torch.float64).numpy()
        chosen = np.searchsorted(self._cumulative, point[0] * self._cumulative[-1], side="right")
        indices = [
            self.pools[pool].members[int(at * len(self.pools[pool].members))]
            for pool, at in zip(chosen, point[1], strict=True)
        ]
        return torch.tensor(indices)

    def _make_period(self, period: int) -> npt.NDArray[np.int64]:
        """Arrange the images of _PERIOD batches: of each pool the next in its order, evenly interleaved."""
        n = _PERIOD * self.batch
        ends = np.round(self._cumulative / self._cumulative[-1] * n).astype(np.int64)
        counts = np.diff(ends, prepend=0)
        keys = np.concatenate([(np.arange(count) + 0.5) / max(count, 1) for count in counts])
        images = np.concatenate(
            [self._stream(pool, period * int(count), int(count)) for pool, count in enumerate(counts)]
        )
        return images[np.argsort(keys, kind="stable")]

    def _stream(self, pool: int, start: int, count: int) -> npt.NDArray[np.int64]:
        """Return `count` images of a pool from place `start` of its endless order."""
        members = len(self.pools[pool].members)
        passes = range(start // members, (start + count - 1) // members + 1) if count else range(0)
        orders = [np.empty(0, np.int64), *(self._order(pool, number) for number in passes)]
        return np.concatenate(orders)[start % members :][:count]

    def _make_order(self, pool: int, number: int) -> npt.NDArray[np.int64]:
        order: npt.NDArray[np.int64] = _random(self.seed, 1, pool, number).permutation(self.pools[pool].members)
        return order


def _make_pools(shares: Mapping[str, float], cells: Sequence[tuple[str, str]]) -> list[Pool]:
    total = sum(shares.values())
    if any(not 0 <= share <= 1 for share in shares.values()) or abs(total - 1) > 1e-6:
        raise ConfigError(f"shares {dict(shares)} sum to {total:g}; expected numbers in [0, 1] that sum to 1")
    groups = [f"{c}/{a}" if f"{c}/{a}" in shares else c for c, a in cells]
    for name in shares:
        if name not in groups:
            known = ", ".join(sorted({c for c, _ in cells}))
            raise ConfigError(f"no image is {name!r}; expected conditions ({known}), or CONDITION/AGE of these")
    return [Pool(name, share, _members(groups, name)) for name, share in shares.items() if share]


def _members(groups: Sequence[str], name: str) -> npt.NDArray[np.int64]:
    return np.flatnonzero(np.array(groups) == name).astype(np.int64)


def _names(weights: Tensor, names: Sequence[str]) -> list[str]:
    """Name the largest part of each row; if there is only one name, it is always known."""
    uniform = ((weights - 1 / len(names)).abs().amax(dim=1) < 1e-4) & (len(names) > 1)
    return [UNKNOWN if u else names[i] for u, i in zip(uniform.tolist(), weights.argmax(dim=1).tolist(), strict=True)]


def _random(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
