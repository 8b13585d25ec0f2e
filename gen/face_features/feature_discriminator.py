"""Small discriminators on randomly mixed feature maps of a face network (Sauer et al. 2021, section 3).

Only the heads learn. The mixing across channels and scales is drawn once and fixed, as the network is.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gen.augment import AugmentPipe
from gen.augmentation.draws import Draws
from gen.face_features.recognition_network import RecognitionNetwork

_CENTRE: Final = (0.0, 0.22)
"""Centre of dlib's crop of a face in an aligned picture, which spans [-1, 1]²: x and y."""

_ZOOM: Final = 90 / 128
"""Side of the crop as a share of the picture's."""

_SHIFT: Final = 0.1
"""Largest shift of the crop, which is an augmentation."""

_SIDE: Final = 112
"""Side in pixels of what the network sees; it was trained on 150, which takes 1.8 times as long."""

_COLOUR: Final = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "cutout": 0.5}
_P: Final = 0.6
"""Probability of a change of colour: below 1, so that generated images do not take it over."""

_STAGES: Final = slice(1, None)
"""Stages whose maps have a head. The finest tells least and costs most; the other discriminator sees fine detail."""

_HEAD_CHANNELS: Final = 128


class FeatureDiscriminator(nn.Module):
    """Heads on the feature maps of a fixed network, trained with the hinge loss.

    Args:
        network: the fixed network, which is not part of the state.
        images: some real images (n, 3, h, h) in [-1, 1], by whose maps every channel is standardised. Without this the
            heads need several times as many steps.
        dtype: of the convolutions.
    """

    def __init__(self, network: RecognitionNetwork, images: Tensor, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network
        self._dtype = dtype
        self._augment = AugmentPipe(**_COLOUR)
        channels = network.channels[_STAGES]
        self.across_channels = nn.ModuleList(nn.Conv2d(count, count, 1, bias=False) for count in channels)
        self.across_scales = nn.ModuleList(
            nn.Conv2d(deep, shallow, 3, padding=1, bias=False) for shallow, deep in pairwise(channels)
        )
        for mixer in (*self.across_channels, *self.across_scales):
            nn.init.kaiming_normal_(mixer.weight, nonlinearity="linear")
            mixer.requires_grad_(False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(count, affine=False, momentum=None) for count in channels)
        self.heads = nn.ModuleList(
            _make_head(count, halvings)
            for halvings, count in zip(reversed(range(len(channels))), channels, strict=True)
        )
        with torch.no_grad():  # this once the norms take the statistics of a batch
            self._project(_crop_faces(images, torch.zeros(len(images), 2)))
        self.eval()

    def forward(self, images: Tensor, draws: Draws) -> list[Tensor]:
        """Judge images (n, 3, h, h) in [-1, 1], augmented by `draws`: logits (n, 1, h, w) of every head."""
        return self.judge(self.project(images, draws))

    def project(self, images: Tensor, draws: Draws) -> list[Tensor]:
        """Compute the mixed feature maps of augmented images, from the finest to the coarsest."""
        self._augment.p = torch.tensor(_P)
        faces = _crop_faces(self._augment(images, draws=draws), draws.uniform("xint") * _SHIFT)
        with self._cast():
            return self._project(faces)

    def _project(self, faces: Tensor) -> list[Tensor]:
        maps = [mix(map_) for mix, map_ in zip(self.across_channels, self.network(faces)[_STAGES], strict=True)]
        for fine in reversed(range(len(maps) - 1)):
            coarse = self.across_scales[fine](maps[fine + 1])
            maps[fine] = maps[fine] + F.interpolate(coarse, maps[fine].shape[2:], mode="bilinear", align_corners=False)
        return [norm(map_) for norm, map_ in zip(self.norms, maps, strict=True)]

    def judge(self, maps: list[Tensor]) -> list[Tensor]:
        """Compute the logits of every head from its feature map."""
        with self._cast():
            return [head(map_).float() for head, map_ in zip(self.heads, maps, strict=True)]

    def _cast(self) -> torch.autocast:
        device = self.network.mean.device.type
        return torch.autocast(device, self._dtype, enabled=self._dtype != torch.float32)


def hinge_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Compute the loss of the heads: the mean of relu(1 - D(real)) + relu(1 + D(fake)); 2 if they know nothing."""
    pairs = zip(real, fake, strict=True)
    return torch.stack([F.relu(1 - one).mean() + F.relu(1 + other).mean() for one, other in pairs]).mean()


def feature_loss(fake: list[Tensor]) -> Tensor:
    """Compute the generator's loss, the mean of -D(fake) over the heads."""
    return -torch.stack([logits.mean() for logits in fake]).mean()


def _make_head(channels: int, halvings: int) -> nn.Sequential:
    """Make a head that halves the sides of its map a number of times."""
    layers: list[nn.Module] = []
    for _ in range(halvings):
        layers += [nn.Conv2d(channels, _HEAD_CHANNELS, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels = _HEAD_CHANNELS
    layers += [nn.Conv2d(channels, _HEAD_CHANNELS, 3, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(_HEAD_CHANNELS, 1, 3, padding=1))


def _crop_faces(images: Tensor, shifts: Tensor) -> Tensor:
    """Cut the faces out of aligned pictures, moved by shifts (n, 2)."""
    maps = torch.eye(2, 3).repeat(len(images), 1, 1) * _ZOOM
    maps[:, :, 2] = torch.tensor(_CENTRE) + shifts
    grid = F.affine_grid(maps.to(images), [len(images), 3, _SIDE, _SIDE], align_corners=False)
    faces = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    return faces.contiguous(memory_format=torch.channels_last)
