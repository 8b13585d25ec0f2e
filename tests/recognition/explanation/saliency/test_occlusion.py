"""Occlusion: passes of patches alone agree with passes of whole images."""

from __future__ import annotations

import pytest
import torch

from recognition.explanation.saliency.changed_patches import PatchClassifier
from recognition.explanation.saliency.explained_network import ExplainedNetwork
from recognition.explanation.saliency.occlusion import occlude
from recognition.networks.local_blocks import merge_normalizations
from tests.recognition.explanation.saliency.test_methods import randomised_network


@pytest.mark.parametrize(
    ("name", "size", "window", "stride", "patches"),
    [
        ("small", 64, 15, 8, True),
        ("small", 128, 9, 16, True),
        ("small", 100, 20, 20, False),
        ("resnet50", 96, 15, 27, True),
    ],
)
def test_patches_agree_with_whole_images(
    name: str, size: int, window: int, stride: int, patches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained = ExplainedNetwork(randomised_network(name, size).double())
    targets = torch.tensor([0, 2] if name == "small" else [2])  # the large networks take seconds for an image
    x = torch.randn(len(targets), 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert (PatchClassifier.for_image(explained, x[:1]) is not None) == patches
    ours = occlude(explained, x, targets, window, stride)
    monkeypatch.setattr(PatchClassifier, "for_image", lambda *_: None)
    monkeypatch.setattr(ExplainedNetwork, "merge_normalizations", lambda self: self)
    whole = occlude(explained, x, targets, window, stride)
    torch.testing.assert_close(ours, whole, rtol=0, atol=1e-6 * float(whole.abs().max()))


@pytest.mark.parametrize("name", ["small", "resnet50", "efficientnet-b4"])
def test_merged_normalisations_compute_the_same(name: str) -> None:
    network = randomised_network(name, 64)
    merged = merge_normalizations(network)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(x)
        torch.testing.assert_close(merged(x), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in merged.modules())
