"""W encoder on the trunk of a discriminator, whose features describe faces well.

Its features are linear enough in the latent that a least-squares fit of the last layer, minutes on a CPU
(`inversion.training.regression`), is already an encoder; training all of it refines that.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gen.layers import FullyConnected
from gen.networks import Discriminator
from inversion.config import TrunkConfig
from inversion.networks.encoder import resize


class TrunkEncoder(nn.Module):
    """Maps images (n, 3, h, h) in [-1, 1] to offsets (n, w_dim) from the average latent.

    Args:
        config: whose trunk, and which of its maps.
        w_dim: size of a latent.
    """

    def __init__(self, config: TrunkConfig, w_dim: int) -> None:
        super().__init__()
        self.config = config
        self.trunk = Discriminator(config.discriminator)
        del self.trunk.b4, self.trunk.mapping  # what judges
        sizes = config.discriminator.block_resolutions[: config.maps]
        features = sum(config.discriminator.channels(size) * size**2 for size in sizes)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.mean: Tensor
        self.deviation: Tensor
        self.linear = FullyConnected(features, w_dim)  # of equalised steps, as the trunk: there are many features

    @property
    def side(self) -> int:
        """Side of the images that it sees, in pixels."""
        return self.config.discriminator.resolution

    def features(self, images: Tensor) -> Tensor:
        """Return the input (n, features) of the last layer, before it is standardised."""
        maps = list(self.trunk.features(resize(images, self.config.discriminator.resolution)))
        return torch.cat([x.float().flatten(start_dim=1) for x in maps[-self.config.maps :]], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        w: Tensor = self.linear((self.features(images) - self.mean) / self.deviation)
        return w
