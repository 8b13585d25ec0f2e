from __future__ import annotations

import pytest
import torch

from core.errors import ConfigError
from gen.config import DiscriminatorConfig
from gen.labels import Vocabulary
from gen.networks import Discriminator
from inversion.config import TrunkConfig, encoder_config
from inversion.inverter import Inverter
from inversion.networks.trunk_encoder import TrunkEncoder
from inversion.training import regression
from inversion.training.regression import fit_trunk_encoder
from inversion.training.trainer import list_labels
from tests.inversion.tiny import HYPERNETWORK, some_faces, tiny_generator

DISCRIMINATOR = DiscriminatorConfig(64, 512, 16, vocabulary=Vocabulary(), classifier=True, mapping_layers=2)


def discriminator() -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return Discriminator(DISCRIMINATOR).eval().requires_grad_(False)


def test_a_fitted_encoder_reads_latents_that_it_has_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regression, "STANDARDISED_CHUNKS", 2)
    generator, judge, seen = tiny_generator(), discriminator(), []
    encoder = TrunkEncoder(TrunkConfig(DISCRIMINATOR), 16)
    error = fit_trunk_encoder(encoder, judge, generator, list_labels(Vocabulary()), 1280, on_progress=seen.append)
    assert sum(seen) == 1280
    assert error < 0.5
    assert (encoder.trunk.b64.conv0.weight == judge.b64.conv0.weight).all()
    draw = torch.Generator().manual_seed(9)
    labels = list_labels(Vocabulary())
    assert labels is not None
    w = generator.map(torch.randn(200, 16, generator=draw), labels[torch.arange(200) % 20])
    read = encoder(generator.synthesize(w).clamp(-1, 1)).detach() + generator.mapping.w_avg
    missed = (read - w[:, 0]).square().mean() / w[:, 0].var(dim=0).mean()
    assert missed.item() == pytest.approx(error, rel=0.3)


def test_a_trunk_encoder_serves_an_inverter_of_any_size_of_faces() -> None:
    config = TrunkConfig(DISCRIMINATOR, maps=1)
    inverter = Inverter(tiny_generator(), config, HYPERNETWORK).eval()
    for side in (32, 64, 128):
        assert inverter.invert(some_faces(2, side), passes=0).w.shape == (2, tiny_generator().config.num_ws, 16)
    assert not [name for name in inverter.w_encoder.state_dict() if ".b4." in name or "mapping" in name]


def test_the_configuration_of_a_trunk_encoder_comes_back() -> None:
    config = TrunkConfig(DISCRIMINATOR)
    assert encoder_config(config.to_json()) == config
    assert config.discriminator.vocabulary is None
    with pytest.raises(ConfigError, match="maps is 9; expected 1 to 4"):
        TrunkConfig(DISCRIMINATOR, maps=9)
