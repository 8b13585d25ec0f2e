"""Several processes as one. Real ones run in tests/gestaltgen/cli/training/test_train.py."""

from __future__ import annotations

import pytest
import torch

from core.errors import ConfigError
from gen.labels import Vocabulary
from gen.networks import minibatch_std
from gen.training.batches import Batches, pools
from gen.training.distributed import Processes, group_size
from gen.training.inputs import Inputs
from tests.gen.training.tiny import EVERYTHING, data


def test_shares_make_up_the_batch_and_keep_the_groups_of_the_minibatch_deviation_whole() -> None:
    features = torch.randn(24, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    whole = minibatch_std(features, 4)
    shares = [Processes(rank, 3).share(24, group=4) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == list(range(24))
    for share in shares:
        torch.testing.assert_close(minibatch_std(features[share], 4), whole[share], rtol=0, atol=0)


def test_one_process_has_the_whole_batch_in_order() -> None:
    assert Processes().share(12, group=4).tolist() == list(range(12))


@pytest.mark.parametrize("shrink", [1, 2])
def test_processes_draw_what_one_would(shrink: int) -> None:
    batches = Batches(pools("shuffled", data().labels, Vocabulary()), EVERYTHING.batch, 0)

    def part(processes: Processes) -> tuple[torch.Tensor, ...]:
        inputs = Inputs(data(), batches, EVERYTHING, torch.device("cpu"), processes, group=2)
        drawn = inputs.draw_share(5, "generator", shrink)
        z, second = drawn.styles(16, 6)
        noise = torch.stack([torch.randn(3, generator=draw) for draw in drawn.noise()])
        rows = drawn.augmentation().uniform("hue")
        return drawn.share, drawn.labels(), z.transpose(0, 1), second, noise, drawn.normal(3), rows

    share_of_all, *whole = part(Processes())
    for rank in range(2):
        share, *values = part(Processes(rank, 2))
        assert len(share) * 2 == len(share_of_all)
        for mine, all_of_them in zip(values, whole, strict=True):
            assert torch.equal(mine, all_of_them[share])


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    Processes(0, 2).check(16, 8)
    Processes().check(5, 1)
    with pytest.raises(ConfigError, match="a batch of 12 for 2 processes, compared in groups of 4; expected a multi"):
        Processes(0, 2).check(12, 4)


def test_groups_divide_the_batch() -> None:
    assert [group_size(16, 4), group_size(6, 4), group_size(7, 4), group_size(2, 4)] == [4, 3, 1, 2]
