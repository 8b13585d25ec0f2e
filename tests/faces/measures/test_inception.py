"""Inception-v3 of the Fréchet inception distance, without its weights: shapes, names and strictness."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import CheckpointError
from faces.measures.inception import Inception, load

NAMES = {
    "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
    "Conv2d_4a_3x3.bn.running_var": (192,),
    "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
    "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
    "Mixed_5d.branch_pool.conv.weight": (64, 288, 1, 1),
    "Mixed_6a.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
    "Mixed_6b.branch7x7_2.conv.weight": (128, 128, 1, 7),
    "Mixed_6c.branch7x7dbl_2.conv.weight": (160, 160, 7, 1),
    "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
    "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
    "Mixed_7b.branch3x3_2a.conv.weight": (384, 384, 1, 3),
    "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
    "Mixed_7c.branch1x1.conv.weight": (320, 2048, 1, 1),
    "fc.weight": (1008, 2048),
}
"""Of the published file, some of every kind of layer."""


@pytest.fixture(scope="module")
def net() -> Inception:
    torch.manual_seed(0)
    return Inception().eval().requires_grad_(False)


def test_tensors_are_named_and_shaped_as_published(net: Inception) -> None:
    state = net.state_dict()
    assert {name: tuple(state[name].shape) for name in NAMES} == NAMES
    # Inception-v3 without auxiliary head has 21,785,568 parameters before its last layer
    assert sum(p.numel() for p in net.parameters()) == 21_785_568 + 1008 * 2048 + 1008


def test_pictures_of_any_size_give_2048_numbers(net: Inception) -> None:
    features = net.features(np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3), dtype=np.uint8))
    assert features.shape == (2, 2048)
    assert features.dtype == np.float64
    assert np.isfinite(features).all()
    assert np.abs(features[0] - features[1]).max() > 0


def test_averages_leave_padding_out_and_the_last_block_takes_maxima(net: Inception) -> None:
    """On a constant map an average without its padding is the constant up to the border."""
    ones = torch.ones(1, 192, 5, 5)
    block = net.Mixed_5b
    pooled = block.branch_pool(ones)
    torch.testing.assert_close(block(ones)[:, -32:], pooled)
    spike = torch.zeros(1, 2048, 5, 5)
    spike[:, :, 2, 2] = 1
    last = net.Mixed_7c
    around = torch.zeros_like(spike)
    around[:, :, 1:4, 1:4] = 1
    torch.testing.assert_close(last(spike)[:, -192:], last.branch_pool(around))


def test_a_state_dict_is_loaded_whole_or_refused(net: Inception, tmp_path: Path) -> None:
    path = tmp_path / "inception.pth"
    state = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save(state, path)
    loaded = load(path)
    assert not loaded.training
    torch.testing.assert_close(
        loaded.state_dict()["Mixed_7c.branch1x1.bn.weight"], state["Mixed_7c.branch1x1.bn.weight"]
    )
    torch.save({"fc.weight": torch.zeros(1000, 2048), "extra": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="does not fit; expected pytorch-fid's") as refusal:
        load(path)
    for named in ("Mixed_5b.branch1x1.conv.weight", "extra", "fc.weight"):
        assert named in str(refusal.value)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "executed"),)

    path = tmp_path / "hostile.pth"
    torch.save({"fc.weight": Hostile()}, path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(path)
    path.write_bytes(pickle.dumps(Hostile(), protocol=2))
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(path)
    assert not (tmp_path / "executed").exists()
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="not a state dict"):
        load(path)
    with pytest.raises(CheckpointError, match="there is no file"):
        load(tmp_path / "absent.pth")
