"""The networks of photographs, with drawn weights: the published ones may not be shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from core.errors import CheckpointError
from inversion.config import EncoderConfig
from inversion.networks.encoder import WEncoder
from inversion.networks.feature_networks import AlexNetDistance, IdentityNetwork
from tests.inversion.tiny import some_faces

SHAPES = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}


@pytest.fixture
def lpips(tmp_path: Path) -> tuple[Path, Path]:
    draw = torch.Generator().manual_seed(0)
    features: dict[str, Tensor] = {"classifier.1.weight": torch.zeros(2, 2)}
    learnt: dict[str, Tensor] = {}
    for layer, (place, shape) in enumerate(SHAPES.items()):
        features[f"features.{place}.weight"] = torch.randn(shape, generator=draw) / (shape[1] * shape[2] ** 2) ** 0.5
        features[f"features.{place}.bias"] = torch.zeros(shape[0])
        learnt[f"lin{layer}.model.1.weight"] = torch.rand(1, shape[0], 1, 1, generator=draw)
    paths = tmp_path / "alexnet.pth", tmp_path / "alex.pth"
    torch.save(features, paths[0])
    torch.save(learnt, paths[1])
    return paths


def test_lpips_reads_the_published_names_and_tells_faces_apart(lpips: tuple[Path, Path]) -> None:
    distance, faces = AlexNetDistance(*lpips), some_faces(2)
    near, far = (faces + 0.02 * torch.randn_like(faces)).clamp(-1, 1), faces.flip(2)
    assert torch.allclose(distance(faces, faces), torch.zeros(2))
    assert (distance(faces, near) < distance(faces, far)).all()


def test_lpips_names_what_a_file_lacks(lpips: tuple[Path, Path]) -> None:
    with pytest.raises(CheckpointError, match=r"alex.pth has no tensor features.0.weight"):
        AlexNetDistance(lpips[1], lpips[0])


def test_the_identity_network_reads_the_published_names(tmp_path: Path) -> None:
    trunk, draw = WEncoder(EncoderConfig(), w_dim=1).state_dict(), torch.Generator().manual_seed(0)
    tensors = {name: value for name, value in trunk.items() if not name.startswith("linear.") and "tracked" not in name}
    for layer, size in ((0, 512), (4, 512)):
        tensors |= {f"output_layer.{layer}.{name}": torch.ones(size) for name in ("weight", "running_var")}
        tensors |= {f"output_layer.{layer}.{name}": torch.zeros(size) for name in ("bias", "running_mean")}
    tensors["output_layer.3.weight"] = torch.randn(512, 512 * 49, generator=draw) / 150
    tensors["output_layer.3.bias"] = torch.zeros(512)
    path = tmp_path / "ir_se50.pth"
    torch.save(tensors, path)
    features = IdentityNetwork(path)(some_faces(2))
    assert features.shape == (2, 512)
    assert torch.allclose(features.norm(dim=1), torch.ones(2))
    torch.save({"input_layer.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(CheckpointError, match=r"missing body.0.res_layer.0.bias"):
        IdentityNetwork(path)
