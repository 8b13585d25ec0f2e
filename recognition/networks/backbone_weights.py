"""Pretrained weights of backbones, read strictly from files with the names of transformers, timm or torchvision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from core import tensor_files
from core.errors import CheckpointError, ConfigError
from recognition.networks.architectures import B4_REPEATS, Network

_FILE: Final = "model.safetensors"

_HEADS: Final = ("classifier.", "fc.", "head.")
"""Prefixes of the heads for the classes of ImageNet or VGGFace2, which are left out."""

_RESNET: Final = (
    (r"^conv1\.", "embedder.embedder.convolution."),
    (r"^bn1\.", "embedder.embedder.normalization."),
    (r"^layer(\d)\.(\d+)\.conv(\d)\.", "encoder.stages.{}.layers.{}.layer.{}.convolution."),
    (r"^layer(\d)\.(\d+)\.bn(\d)\.", "encoder.stages.{}.layers.{}.layer.{}.normalization."),
    (r"^layer(\d)\.(\d+)\.downsample\.0\.", "encoder.stages.{}.layers.{}.shortcut.convolution."),
    (r"^layer(\d)\.(\d+)\.downsample\.1\.", "encoder.stages.{}.layers.{}.shortcut.normalization."),
)
"""Names of torchvision and of the VGGFace2 weights for PyTorch, which count stages and convolutions from 1."""

_DEPTHWISE: Final = {
    "conv_dw": "depthwise_conv.depthwise_conv",
    "bn1": "depthwise_conv.depthwise_norm",
    "se.conv_reduce": "squeeze_excite.reduce",
    "se.conv_expand": "squeeze_excite.expand",
    "conv_pw": "projection.project_conv",
    "bn2": "projection.project_bn",
}
_EXPANDED: Final = {
    "conv_pw": "expansion.expand_conv",
    "bn1": "expansion.expand_bn",
    "conv_dw": "depthwise_conv.depthwise_conv",
    "bn2": "depthwise_conv.depthwise_norm",
    "se.conv_reduce": "squeeze_excite.reduce",
    "se.conv_expand": "squeeze_excite.expand",
    "conv_pwl": "projection.project_conv",
    "bn3": "projection.project_bn",
}
_STEM_AND_TOP: Final = {
    "conv_stem": "embeddings.convolution",
    "bn1": "embeddings.batchnorm",
    "conv_head": "encoder.top_conv",
    "bn2": "encoder.top_bn",
}


def load_backbone(network: Network, path: Path) -> str:
    """Load the weights of a file into the trunk of a "resnet50" or "efficientnet-b4"; the head does not change.

    Names of tensors may be those of transformers, of torchvision (resnet50, ImageNet or VGGFace2) or of timm
    (efficientnet-b4, as its noisy-student weights have them). Tensors of ImageNet and of VGGFace2 look alike;
    `pretraining` of `architectures.build` tells them apart.

    Args:
        path: a .safetensors file, or a folder of transformers with model.safetensors.

    Returns:
        SHA-256 of the file in hex.

    Raises:
        ConfigError: the small network, which has no pretrained weights.
        CheckpointError: no such file, not safetensors, or tensors that are missing, unknown or of another shape.
    """
    model = getattr(network.trunk, "model", None)
    if model is None:
        raise ConfigError(f"weights {path} for the network small, which has none; leave them out, or choose resnet50")
    file = path / _FILE if path.is_dir() else path
    if file.suffix != ".safetensors":
        raise CheckpointError(
            f"{file} is no .safetensors file; pickled weights (.bin, .pth, .pkl) can run code when they are read: "
            "convert them with safetensors.torch.save_file, names unchanged"
        )
    given, _ = tensor_files.read_any(file)
    wanted: dict[str, Tensor] = model.state_dict()
    renamed = _rename_tensors(given, file, model.config.model_type)
    _check_tensors(renamed, wanted, file)
    # Nothing is computed from the number of batches that a running mean has seen; some files leave it out.
    counters = {name: tensor for name, tensor in wanted.items() if name.endswith("num_batches_tracked")}
    model.load_state_dict(counters | renamed)
    return tensor_files.sha256(file)


def _rename_tensors(tensors: Mapping[str, Tensor], file: Path, architecture: str) -> dict[str, Tensor]:
    """Give tensors the names of transformers."""
    name_of = _translate_resnet_name if architecture == "resnet" else _translate_efficientnet_name
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.startswith(_HEADS):
            continue
        ours = name_of(name.removeprefix("module.").removeprefix(f"{architecture}."))
        if ours in named:
            raise CheckpointError(f"{file} has the tensor {ours} under two names; expected the names of one library")
        named[ours] = tensor
    return named


def _translate_resnet_name(name: str) -> str:
    """Translate a tensor's name from torchvision to transformers."""
    for pattern, ours in _RESNET:
        if found := re.match(pattern, name):
            places = [str(int(number) - shift) for number, shift in zip(found.groups(), (1, 0, 1), strict=False)]
            return ours.format(*places) + name[found.end() :]
    return name


def _translate_efficientnet_name(name: str) -> str:
    """Translate a tensor's name from timm to transformers."""
    part, _, tensor = name.rpartition(".")
    if part in _STEM_AND_TOP:
        return f"{_STEM_AND_TOP[part]}.{tensor}"
    if found := re.match(r"^blocks\.([0-6])\.(\d+)\.(.+)$", part):
        stage, block = int(found[1]), int(found[2])
        ours = (_EXPANDED if stage else _DEPTHWISE).get(found[3], found[3])
        return f"encoder.blocks.{sum(B4_REPEATS[:stage]) + block}.{ours}.{tensor}"
    return name


def _check_tensors(found: Mapping[str, Tensor], wanted: Mapping[str, Any], file: Path) -> None:
    """Check that names and shapes of the tensors are those of the network."""
    missing = sorted(name for name in wanted.keys() - found.keys() if not name.endswith("num_batches_tracked"))
    unknown = sorted(found.keys() - wanted.keys())
    if missing or unknown:
        counts = [
            f"{len(names)} {what} (as {names[0]})"
            for what, names in (("missing", missing), ("unknown", unknown))
            if names
        ]
        raise CheckpointError(
            f"{file} does not fit the network: tensors {' and '.join(counts)} of {len(wanted)}; expected weights of "
            "this architecture with the names of transformers, torchvision (resnet50) or timm (efficientnet-b4)"
        )
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            raise CheckpointError(
                f"{file}: tensor {name} is {tuple(tensor.shape)}; expected {tuple(wanted[name].shape)}: it is of "
                "another network"
            )
