from __future__ import annotations

from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest
import torch

from core.errors import ConfigError
from faces.shipped_models import DESCRIPTOR, find_model
from gen.augmentation.draws import Draws
from gen.face_features.feature_discriminator import FeatureDiscriminator, feature_loss, hinge_loss
from gen.face_features.recognition_network import load_recognition_network
from tests.gen.face_features.face_networks import CHANNELS, write_network


def test_feature_maps_have_the_sides_of_the_published_network(tmp_path: Path) -> None:
    network = load_recognition_network(write_network(tmp_path))
    images = torch.rand(2, 3, 150, 150) * 2 - 1
    shapes = [tuple(map_.shape[1:]) for map_ in network(images)]
    assert shapes == [(count, side, side) for count, side in zip(CHANNELS, (35, 17, 8, 4), strict=True)]
    assert network.describe(images).shape == (2, 16)
    assert network.channels == list(CHANNELS)


def test_descriptors_are_those_of_dlib(judges: Path) -> None:
    """Its weights have a byte each. A picture of 150 pixels need not show a face."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    picture = cv2.resize(coarse, (150, 150), interpolation=cv2.INTER_CUBIC)
    known = np.array(dlib.face_recognition_model_v1(str(find_model(DESCRIPTOR))).compute_face_descriptor(picture))
    network = load_recognition_network(judges / "face_recognition_model.bin")
    read = network.describe(torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1)[0].numpy()
    assert known @ read / np.linalg.norm(known) / np.linalg.norm(read) > 0.995


def test_a_damaged_network_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ConfigError):
        load_recognition_network(path)


def test_only_the_heads_learn(tmp_path: Path) -> None:
    discriminator = FeatureDiscriminator(load_recognition_network(write_network(tmp_path)), torch.rand(4, 3, 32, 32))
    draws = Draws.random(2, torch.Generator().manual_seed(0))
    images = torch.rand(2, 3, 32, 32).requires_grad_()
    feature_loss(discriminator(images, draws)).backward()
    assert images.grad is not None
    assert images.grad.abs().max() > 0
    learning = [name for name, weight in discriminator.named_parameters() if weight.grad is not None]
    assert {name.split(".")[0] for name in learning} == {"heads"}
    assert not any(name.startswith("network.") for name in discriminator.state_dict())


def test_heads_judge_in_bfloat16_nearly_as_in_float32(tmp_path: Path) -> None:
    torch.manual_seed(3)
    network = load_recognition_network(write_network(tmp_path))
    images, draws = torch.rand(4, 3, 32, 32), Draws.random(4, torch.Generator().manual_seed(0))
    exact = FeatureDiscriminator(network, images)
    fast = FeatureDiscriminator(network, images, torch.bfloat16)
    fast.load_state_dict(exact.state_dict())
    for one, other in zip(exact(images, draws), fast(images, draws), strict=True):
        assert other.dtype == torch.float32
        assert not torch.equal(one, other)
        assert (one - other).norm() < 0.05 * one.norm()


def test_losses_of_heads_are_summed() -> None:
    sure, unsure = [torch.full((2, 1, 4, 4), 2.0)], [torch.zeros(2, 1, 4, 4)]
    assert hinge_loss(unsure, unsure) == 2
    assert hinge_loss(sure, [-sure[0]]) == 0
    assert feature_loss(sure) == -2
