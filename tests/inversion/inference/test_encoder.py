"""The compiled encoders compute what their layers compute."""

from __future__ import annotations

import pytest
import torch

from gen.config import DiscriminatorConfig
from inversion.config import EncoderConfig, TrunkConfig
from inversion.inference.compiled import ENCODERS
from inversion.networks.encoder import WEncoder
from inversion.networks.trunk_encoder import TrunkEncoder
from tests.inversion.filled import fill_network
from tests.inversion.tiny import some_faces


@torch.no_grad()
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(
    "config",
    [
        EncoderConfig(32, (16, 16, 24, 32), (2, 1, 2, 1)),
        TrunkConfig(DiscriminatorConfig(64, 512, 16)),
        TrunkConfig(DiscriminatorConfig(32, 512, 24, conv_clamp=0.3), maps=1),
    ],
    ids=["residual", "trunk", "clamped trunk"],
)
def test_latents_are_those_of_the_layers(config: EncoderConfig | TrunkConfig, n: int) -> None:
    torch.manual_seed(0)
    encoder = fill_network(TrunkEncoder(config, 16) if isinstance(config, TrunkConfig) else WEncoder(config, 16))
    faces = some_faces(n)
    expected = encoder(faces)
    compiled = ENCODERS.find(encoder)
    assert compiled is not None
    torch.testing.assert_close(
        compiled.encode(faces, "float32"), expected, atol=1e-5 * expected.abs().max().item(), rtol=1e-5
    )
    assert (compiled.encode(faces, "bfloat16") - expected).abs().max() < 0.03 * expected.abs().max()
