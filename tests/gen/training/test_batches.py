from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from core.errors import ConfigError
from gen.labels import Vocabulary
from gen.training.batches import Batches, balance_groups, name_cells, pools

VOCABULARY = Vocabulary()
CELLS = [("WS", "infant")] * 20 + [("WS", "child")] * 4 + [("22q11DS", "child")] * 6 + [("unaffected", "child")] * 60
CELLS += [("unaffected", None)] * 10  # type: ignore[list-item]


def labels() -> Tensor:
    return torch.stack([VOCABULARY.encode(condition, age) for condition, age in CELLS])


def shown(sampling: str | dict[str, float], batch: int = 16, steps: int = 250) -> Counter[tuple[str, str]]:
    """Cells of the real images of many batches, as shares."""
    batches = Batches(pools(sampling, labels(), VOCABULARY), batch, seed=0)
    cells = name_cells(labels(), VOCABULARY)
    count = Counter(cells[index] for step in range(steps) for index in batches.real(step).tolist())
    return Counter({cell: number / (batch * steps) for cell, number in count.items()})  # type: ignore[misc]


def test_shuffled_shows_every_image_once_an_epoch_and_again_in_another_order() -> None:
    batches = Batches(pools("shuffled", labels(), VOCABULARY), 10, seed=0)
    first, second = (torch.cat([batches.real(step) for step in range(start, start + 10)]).tolist() for start in (0, 10))
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second


def test_half_affected_is_half_of_every_batch() -> None:
    batches = Batches(pools("half_affected", labels(), VOCABULARY), 8, seed=0)
    cells = name_cells(labels(), VOCABULARY)
    for step in (0, 1, 500, 1024, 100_000):
        indices = batches.real(step).tolist()
        assert sum(cells[index][0] == "unaffected" for index in indices) == 4
    # Within the affected, every image as often as another.
    assert shown("half_affected")["WS", "infant"] == pytest.approx(20 / 30 / 2, abs=0.01)


def test_balanced_rules_share_out_evenly_and_leave_the_unknown_their_own() -> None:
    conditions = shown("balanced_conditions")
    for name in ("WS", "22q11DS", "unaffected"):
        assert sum(share for (c, _), share in conditions.items() if c == name) == pytest.approx(1 / 3, abs=0.01)
    cells = shown("balanced_cells")
    for cell in (("WS", "infant"), ("WS", "child"), ("22q11DS", "child"), ("unaffected", "child")):
        assert cells[cell] == pytest.approx(0.9 / 4, abs=0.01)
    assert cells["unaffected", "unknown"] == pytest.approx(0.1, abs=0.01)


def test_shares_by_name_are_kept_and_what_is_not_named_is_not_shown() -> None:
    shares = shown({"WS/child": 0.75, "unaffected": 0.25})
    assert shares["WS", "child"] == pytest.approx(0.75, abs=0.01)
    assert shares["unaffected", "child"] + shares["unaffected", "unknown"] == pytest.approx(0.25, abs=0.01)
    assert shares["WS", "infant"] == shares["22q11DS", "child"] == 0


def test_a_batch_follows_from_seed_and_iteration_alone() -> None:
    def batch(seed: int, step: int) -> list[int]:
        made: list[int] = Batches(pools("balanced_cells", labels(), VOCABULARY), 16, seed).real(step).tolist()
        return made

    used = Batches(pools("balanced_cells", labels(), VOCABULARY), 16, 3)
    for step in (2000, 5, 1023):
        assert used.real(step).tolist() == batch(3, step)
    assert batch(3, 5) != batch(4, 5)


def test_random_labels_have_the_same_shares() -> None:
    batches = Batches(pools("half_affected", labels(), VOCABULARY), 8, seed=0)
    indices = batches.random(4000, torch.Generator().manual_seed(0)).tolist()
    cells = name_cells(labels(), VOCABULARY)
    assert sum(cells[index][0] == "unaffected" for index in indices) / 4000 == pytest.approx(0.5, abs=0.03)
    assert set(indices) == set(range(100))


def test_one_condition_alone_is_known() -> None:
    alone = Vocabulary(("unaffected",))
    assert name_cells(alone.encode("unaffected")[None], alone) == [("unaffected", "unknown")]


def test_messages() -> None:
    with pytest.raises(ConfigError, match="sampling is 'fair'; expected one of shuffled, half_affected"):
        pools("fair", labels(), VOCABULARY)
    with pytest.raises(
        ConfigError, match=r"half_affected needs images of 'unaffected' people .* has affected: take sampling shuffled$"
    ):
        pools("half_affected", labels()[:10], VOCABULARY)
    with pytest.raises(ConfigError, match=r"sum to 0.5; expected numbers"):
        pools({"WS": 0.5}, labels(), VOCABULARY)
    with pytest.raises(ConfigError, match=r"no image is 'other'; expected conditions \(22q11DS, WS, unaffected\)"):
        pools({"WS": 0.5, "other": 0.5}, labels(), VOCABULARY)


def test_groups_are_shown_evenly_but_rare_ones_not_much_more_often_than_they_occur() -> None:
    groups = ["smiling"] * 2 + ["resting"] * 28 + ["smiling"] * 24 + ["resting"] * 46
    balanced = balance_groups(pools("balanced_cells", labels(), VOCABULARY), groups)
    shares = {pool.name: pool.share for pool in balanced}
    cell = 0.9 / 4
    assert shares["WS/infant/smiling"] == pytest.approx(cell * 2 / 20 * 2.5)
    assert shares["WS/infant/resting"] == pytest.approx(cell * (1 - 2 / 20 * 2.5))
    assert shares["unaffected/child/smiling"] == shares["unaffected/child/resting"] == pytest.approx(cell / 2)
    assert shares["22q11DS/child/resting"] == pytest.approx(cell)
    assert sum(shares.values()) == pytest.approx(1)
    assert sorted(index for pool in balanced for index in pool.members.tolist()) == list(range(len(CELLS)))
