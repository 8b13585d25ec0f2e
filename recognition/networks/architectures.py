"""Networks that classify faces: two published architectures and a small one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.errors import ConfigError
from recognition.networks.local_blocks import LocalBlock
from recognition.networks.small_network import SmallNetwork

SMALL: Final = "small"
NAMES: Final = (SMALL, "resnet50", "efficientnet-b4")

Pretraining: TypeAlias = Literal["imagenet", "vggface2"]
"""Data that the weights of a backbone were learnt on, as far as the network depends on it."""

PRETRAINING: Final = ("imagenet", "vggface2")

SMALLEST_SIZE: Final = 32

B4_REPEATS: Final = (2, 4, 4, 6, 6, 8, 2)
"""Blocks in each stage of an EfficientNet-B4."""

_IMAGENET: Final = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_VGGFACE2: Final = ((131.0912 / 255, 103.8827 / 255, 91.4953 / 255), (1 / 255, 1 / 255, 1 / 255))
"""Mean and scale in RGB. Networks for VGGFace2 take BGR from 0 to 255, of which only the mean is subtracted."""


class Network(nn.Module):
    """Network of a trunk, which computes features of images, and a linear head, which computes logits of features.

    Attributes:
        trunk, head: the two parts, which may learn at different rates.
        saliency_layer: module of the trunk whose feature maps explanations look at; its last stage.

    Args:
        trunk: maps normalised images to features (n, features); it has the attributes `saliency_layer` and `blocks`,
            and `pool`, which maps the last block's feature maps to features.
        features: number of features.
        classes: number of classes.
        mean, std: mean and standard deviation of the channels in [0, 1], by which images are normalised.
        bgr: the trunk takes the channels in the order blue, green, red.
        dropout: share of the features that is dropped in training.
        dropout_passes: number of draws of dropout that are averaged for each image in training.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        trunk: nn.Module,
        features: int,
        classes: int,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        bgr: bool = False,
        dropout: float = 0.0,
        dropout_passes: int = 1,
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(features, classes)
        self.bgr, self.dropout, self.dropout_passes = bgr, dropout, dropout_passes
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    @property
    def saliency_layer(self) -> nn.Module:
        return self.trunk.saliency_layer  # type: ignore[return-value]

    @property
    def blocks(self) -> tuple[LocalBlock, ...]:
        """Blocks of the trunk in order; none for a trunk whose feature maps depend on whole images."""
        return self.trunk.blocks  # type: ignore[return-value]

    def forward(self, images: Tensor) -> Tensor:
        """Compute logits (n, classes) of images (n, 3, size, size) float32 in [-1, 1]."""
        return self.classify(self.normalize(images))

    def normalize(self, images: Tensor) -> Tensor:
        """Normalise the channels of images, whose order remains RGB."""
        return ((images + 1) / 2 - self.mean) / self.std

    def classify(self, x: Tensor) -> Tensor:
        """Compute logits (n, classes) of normalised images in RGB."""
        features = self.trunk(self.order_channels(x))
        if not self.training or self.dropout == 0:
            return self.head(features)  # type: ignore[no-any-return]
        drawn = [self.head(F.dropout(features, self.dropout)) for _ in range(self.dropout_passes)]
        return torch.stack(drawn).mean(dim=0)

    def order_channels(self, x: Tensor) -> Tensor:
        """Order the channels of normalised images in RGB as the trunk takes them."""
        return (x.flip(1) if self.bgr else x).contiguous(memory_format=torch.channels_last)

    def classify_maps(self, maps: Tensor) -> Tensor:
        """Compute logits (n, classes) of the last feature maps in evaluation mode."""
        return self.head(self.trunk.pool(maps))  # type: ignore[no-any-return, operator]


def build(
    name: str,
    classes: int,
    size: int,
    *,
    dropout: float = 0.0,
    dropout_passes: int = 1,
    pretraining: str = "imagenet",
    seed: int = 0,
) -> Network:
    """Build a network with fresh weights, channels last, on the CPU; the global random state does not change.

    Args:
        name: one of NAMES.
        classes: number of classes.
        size: side of the images in pixels.
        dropout, dropout_passes: see Network.
        pretraining: "vggface2" is a ResNet-50 as its published weights need it: pixels in BGR, strides in the first
            convolution of a block and another pooling after the stem.
        seed: seed of the weights.

    Raises:
        ConfigError: no such network, too small a size, or a pretraining that it does not have.
    """
    if name not in NAMES:
        raise ConfigError(f"network is {name!r}; expected one of {', '.join(NAMES)}")
    if size < SMALLEST_SIZE:
        raise ConfigError(f"size is {size} pixels; expected {SMALLEST_SIZE} or more, or nothing is left to look at")
    if pretraining not in PRETRAINING or (pretraining == "vggface2" and name != "resnet50"):
        raise ConfigError(
            f"pretraining is {pretraining!r} for {name}; expected imagenet, or for resnet50 also vggface2"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk, features = build_trunk(name, size, pretraining)
        mean, std = _IMAGENET
        if pretraining == "vggface2":
            mean, std = _VGGFACE2
        network = Network(
            trunk,
            features,
            classes,
            mean=mean,
            std=std,
            bgr=pretraining == "vggface2",
            dropout=dropout,
            dropout_passes=dropout_passes,
        )
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def build_trunk(name: str, size: int, pretraining: str) -> tuple[nn.Module, int]:
    """Build a trunk, and return it with its number of features."""
    if name == SMALL:
        small = SmallNetwork(size)
        return small, small.features
    trunk = _PooledModel(_build_resnet50(pretraining) if name == "resnet50" else build_efficientnet_b4(size))
    return trunk, 2048 if name == "resnet50" else 1792


class _PooledModel(nn.Module):
    """Model of transformers whose last feature maps are averaged."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    @property
    def saliency_layer(self) -> nn.Module:
        """The last stage of a ResNet, or the activation at the top of an EfficientNet."""
        encoder = self.model.encoder
        return encoder.stages[-1] if hasattr(encoder, "stages") else encoder.top_activation  # type: ignore[no-any-return]

    @property
    def blocks(self) -> tuple[LocalBlock, ...]:
        """The blocks of a ResNet. Those of an EfficientNet depend on the mean of their input and are not local."""
        if not hasattr(self.model.encoder, "stages"):
            return ()
        layers = [
            LocalBlock(layer, stride, stride)
            for place, stage in enumerate(self.model.encoder.stages)
            for stride, layer in zip((2 if place else 1, *[1] * len(stage.layers)), stage.layers, strict=False)
        ]
        # The pooling of the published weights takes pixels on one side only, and so reaches farther there.
        return LocalBlock(self.model.embedder, 4, 7), *layers

    def pool(self, maps: Tensor) -> Tensor:
        """Compute the features of the last feature maps."""
        return maps.mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.pool(self.model(images).last_hidden_state)


def _build_resnet50(pretraining: str) -> nn.Module:
    # transformers takes seconds to import, and the small network does not need it.
    from transformers import ResNetConfig, ResNetModel

    model: Any = ResNetModel(ResNetConfig(downsample_in_bottleneck=pretraining == "vggface2"))
    if pretraining == "vggface2":  # as the networks of Cao et al. 2018, which came from Caffe
        model.embedder.pooler = nn.MaxPool2d(3, stride=2, padding=0, ceil_mode=True)
    return model  # type: ignore[no-any-return]


def build_efficientnet_b4(size: int) -> nn.Module:
    """Build EfficientNet-B4 (Tan and Le 2019), padded as in TensorFlow, where it was trained, for images of a size."""
    from transformers import EfficientNetConfig, EfficientNetModel

    config = EfficientNetConfig(
        image_size=size,
        width_coefficient=1.4,
        depth_coefficient=1.8,
        hidden_dim=1792,
        depthwise_padding=find_odd_blocks(size),
        # TensorFlow's 0.99 is the share that stays; here it would be the share that is replaced at each step.
        batch_norm_momentum=0.1,
        drop_connect_rate=0.0,  # neither study drops whole blocks
    )
    return EfficientNetModel(config)


def find_odd_blocks(size: int) -> list[int]:
    """Find the blocks of an EfficientNet-B4 that halve maps of an odd side, which are padded on both sides."""
    side, block, odd = (size + 1) // 2, 0, []
    for stride, repeats in zip((1, 2, 2, 2, 1, 2, 1), B4_REPEATS, strict=True):
        if stride == 2:
            odd += [block] if side % 2 else []
            side = (side + 1) // 2
        block += repeats
    return odd
