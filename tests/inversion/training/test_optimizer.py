from __future__ import annotations

import torch
from torch import nn

from gen.training.distributed import Processes
from inversion.training.optimizer import Optimizer


def test_lookahead_begins_where_the_first_step_does() -> None:
    net = nn.Linear(3, 2)
    optimizer = Optimizer(net, "ranger", 1e-9, Processes())
    with torch.no_grad():
        net.weight.fill_(5)
    for _ in range(6):
        optimizer.add(net(torch.ones(1, 3)).sum())
        optimizer.step()
    torch.testing.assert_close(net.weight, torch.full((2, 3), 5.0))


def test_an_optimizer_comes_back_where_it_was() -> None:
    nets = [nn.Linear(3, 2), nn.Linear(3, 2)]
    nets[1].load_state_dict(nets[0].state_dict())
    ours, again = (Optimizer(net, "ranger", 0.01, Processes()) for net in nets)
    for step in range(20):
        ours.add(nets[0](torch.ones(1, 3)).square().sum())
        ours.step()
        if step == 7:
            nets[1].load_state_dict(nets[0].state_dict())
            again.load_state_dict({name: value.clone() for name, value in ours.state_dict().items()})
        elif step > 7:
            again.add(nets[1](torch.ones(1, 3)).square().sum())
            again.step()
    torch.testing.assert_close(nets[0].weight, nets[1].weight, rtol=0, atol=0)
