from __future__ import annotations

import torch
from torch import nn

from gen.preparing import Preparations


def test_it_is_prepared_once_for_each_dtype_until_weights_change() -> None:
    made = []
    preparations = Preparations(lambda network, dtype: made.append((network, dtype)) or len(made))
    one, other = nn.BatchNorm1d(2).eval(), nn.Linear(2, 2).eval()
    assert [preparations(one, torch.float32) for _ in range(2)] == [1, 1]
    assert preparations(one, torch.bfloat16) == 2
    assert preparations(other, torch.float32) == 3
    with torch.no_grad():
        one.weight.mul_(2)
    assert preparations(one, torch.float32) == 4
    one.get_buffer("running_mean").add_(1)
    assert preparations(one, torch.float32) == 5
    assert preparations(other, torch.float32) == 3


def test_of_a_network_that_learns_it_is_prepared_each_time() -> None:
    numbers = iter(range(3))
    preparations = Preparations(lambda network, dtype: next(numbers))
    network = nn.Linear(2, 2)
    assert [preparations(network, torch.float32) for _ in range(2)] == [0, 1]
