"""Saliency methods: parity with Zennit and Captum, completeness, ensembles, batches, refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from core.errors import ConfigError
from recognition.explanation import METHODS, attribute
from recognition.explanation.saliency.methods import attribute_ensemble, attribute_layer, find_obstacle
from recognition.networks.architectures import build
from tests.recognition.explanation.saliency.fixture_networks import load_fixture, load_network

FIXTURE = load_fixture()

NAMES = {
    "gradient": "Gradient",
    "smoothgrad": "SmoothGrad",
    "integrated_gradients": "IntegratedGradients",
    "guided_backprop": "GuidedBackprop",
    "excitation_backprop": "ExcitationBackprop",
    "deconvnet": "DeconvNet",
    "lrp_epsilon_z_plus": "LRP-EpsilonPlus",
    "lrp_epsilon_z_plus_flat": "LRP-EpsilonPlusFlat",
    "lrp_epsilon_alpha2_beta1": "LRP-EpsilonAlpha2Beta1",
    "lrp_epsilon_alpha2_beta1_flat": "LRP-EpsilonAlpha2Beta1Flat",
    "deeplift": "DeepLIFT",
    "guided_gradcam": "GuidedGradCam",
    "layer_deeplift": "LayerDeepLIFT@bicubic",
    "gradcam": "LayerGradCam@bicubic",
    "occlusion": "Occlusion",
}
CASES: list[tuple[str, str, Any]] = [
    *((method, name, None) for method, name in NAMES.items()),
    ("excitation_backprop", "ExcitationBackprop", "copy"),
    ("excitation_backprop", "ExcitationBackprop@canon", "norm"),
    *((method, f"{name}@copy", "copy") for method, name in NAMES.items() if method.startswith("lrp")),
    *((method, name, "norm") for method, name in NAMES.items() if method.startswith("lrp")),
]


def relative_error(ours: Tensor, expected: Tensor) -> float:
    return float((ours - expected).abs().max() / expected.abs().max().clamp(min=1e-30))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 2e-5)])
@pytest.mark.parametrize("name", ["plain", "resnet"])
def test_maps_are_the_references(name: str, dtype: torch.dtype, tolerance: float) -> None:
    network, x = load_network(name, FIXTURE, dtype), FIXTURE["x"].to(dtype)
    noise = FIXTURE["noise_unit"].to(dtype)
    errors = {}
    for method, key, additions in CASES:
        if f"{name}/{key}" not in FIXTURE:  # a network without sums has no maps for another rule at sums
            continue
        expected = FIXTURE[f"{name}/{key}"].to(dtype)
        if "@bi" in key:  # one map of the layer, of which each channel carries a third
            expected = expected.sum(2, keepdim=True) / 3
        for place in range(2):
            targets = FIXTURE[f"targets/{name}"][:, place]
            maps = attribute(network, x, targets, method, noise=noise, additions=additions)
            assert maps.shape == x.shape
            assert maps.dtype == dtype
            scale = expected.abs().max()
            errors[key, additions, place] = float((maps - expected[:, place]).abs().max() / scale)
    assert {case: error for case, error in errors.items() if error > tolerance} == {}
    assert {method for method, _, _ in CASES} == set(METHODS)


@pytest.mark.parametrize("name", ["plain", "resnet"])
def test_layer_maps_have_the_side_of_the_layer(name: str) -> None:
    network, x = load_network(name, FIXTURE, torch.float64), FIXTURE["x"].double()
    for method, key in (("gradcam", "LayerGradCam"), ("layer_deeplift", "LayerDeepLIFT")):
        maps = attribute_layer(network, x, FIXTURE[f"targets/{name}"][:, 1], method)  # type: ignore[arg-type]
        assert relative_error(maps, FIXTURE[f"{name}/{key}"][:, 1]) < 1e-6


def randomised_network(name: str, size: int) -> nn.Module:
    """A network whose normalisations differ from their initial values."""
    network = build(name, 3, size, seed=1)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)  # type: ignore[union-attr]
    return network.eval()


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.mark.parametrize("name", ["small", "resnet50", "efficientnet-b4"])
def test_every_method_gives_a_map_or_says_why_not(name: str, faces: Tensor) -> None:
    network = randomised_network(name, 32)
    refused = set()
    for method in METHODS:
        if (obstacle := find_obstacle(network, method)) is None:
            maps = attribute(network, faces[:1], [1], method)
            assert maps.shape == (1, 3, 32, 32), method
            assert maps.isfinite().all(), method
            assert maps.abs().max() > 0, method
        else:
            with pytest.raises(ConfigError) as error:
                attribute(network, faces[:1], [1], method)
            assert str(error.value) == obstacle
            refused.add(method)
    rectified = {"guided_backprop", "deconvnet", "deeplift", "guided_gradcam", "layer_deeplift"}
    assert refused == (rectified if name == "efficientnet-b4" else set())


def test_functions_without_a_rule_are_refused_as_modules_are(faces: Tensor) -> None:
    class Smooth(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(nn.functional.silu(self.conv(x)).mean(dim=(2, 3)))
            return out

    network = Smooth().eval()
    for method in ("guided_backprop", "deconvnet", "deeplift"):
        with pytest.raises(ConfigError):
            attribute(network, faces, [0, 1], method)
    with pytest.raises(ConfigError):
        attribute(network, faces, [0, 1], "gradcam")
    assert attribute(network, faces, [0, 1], "lrp_epsilon_z_plus").shape == faces.shape


def test_integrated_gradients_of_resnet50_sum_to_the_change_of_the_logit(faces: Tensor) -> None:
    network = randomised_network("resnet50", 32)
    with torch.no_grad():
        grey = network.mean.expand_as(faces) * 2 - 1  # type: ignore[operator]
        changes = network(faces) - network(grey)
    targets = changes.abs().argmax(dim=1)
    sums = attribute(network, faces, targets, "integrated_gradients").sum(dim=(1, 2, 3))
    assert torch.allclose(sums, changes[[0, 1], targets], rtol=0.05)


def test_maps_are_in_rgb_for_a_network_in_bgr(faces: Tensor) -> None:
    network = build("resnet50", 2, 32, pretraining="vggface2").eval()
    for parameter in network.parameters():
        if parameter.shape[1:] == (3, 7, 7):
            parameter.data[:, 1:] = 0  # the network sees blue alone
    maps = attribute(network, faces, [0, 1], "gradient")
    assert maps[:, 2].abs().max() > 0
    assert maps[:, :2].abs().max() == 0


def test_a_map_depends_neither_on_the_batch_nor_on_the_draw(faces: Tensor) -> None:
    network = randomised_network("small", 32)
    for method in METHODS:
        together = attribute(network, faces, [0, 1], method)
        alone = attribute(network, faces[1:], torch.tensor([1]), method)
        assert relative_error(together[1:], alone) < 1e-4, method


def test_an_ensemble_is_the_mean_of_its_folds(faces: Tensor) -> None:
    folds = [randomised_network("small", 32), build("small", 3, 32, seed=2).eval()]
    first, second = (attribute(fold, faces, [0, 1], "deeplift") for fold in folds)
    assert torch.allclose(attribute_ensemble(folds, faces, [0, 1], "deeplift"), (first + second) / 2)


def test_bad_input_is_refused(faces: Tensor) -> None:
    network = randomised_network("small", 32)
    cases: list[tuple[Tensor, Any, str, Any]] = [
        (faces, [0, 1], "magic", None),
        (faces, [0], "gradient", None),
        (faces, [0, 3], "gradient", None),
        (faces, [0, -1], "occlusion", None),
        (faces[:, :2], [0, 1], "gradient", None),
        (faces, [0, 1], "smoothgrad", torch.zeros(20, 1, 3, 32, 32)),
        (faces[:0], [], "gradient", None),
    ]
    for images, targets, method, noise in cases:
        with pytest.raises(ConfigError):
            attribute(network, images, targets, method, noise=noise)
    with pytest.raises(ConfigError):
        attribute(network.train(), faces, [0, 1], "gradient")
