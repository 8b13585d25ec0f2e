"""Networks: what they take and give, and how published weights get into them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from core.errors import CheckpointError, ConfigError
from recognition.networks.architectures import Network, build, find_odd_blocks
from recognition.networks.backbone_weights import load_backbone

TORCHVISION = {
    "embedder.embedder.convolution": "conv1",
    "embedder.embedder.normalization": "bn1",
}
TIMM = {
    "embeddings.convolution": "conv_stem",
    "embeddings.batchnorm": "bn1",
    "encoder.top_conv": "conv_head",
    "encoder.top_bn": "bn2",
}


@pytest.fixture(scope="module")
def resnet() -> Network:
    return build("resnet50", 4, 64, pretraining="vggface2")


@pytest.fixture(scope="module")
def efficientnet() -> Network:
    return build("efficientnet-b4", 4, 64)


def tensors(network: Network) -> dict[str, Tensor]:
    """Of its trunk, other ones than it has, by transformers' names."""
    stream = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = network.trunk.model.state_dict()  # type: ignore[union-attr]
    return {
        name: torch.rand(tensor.shape, generator=stream) if tensor.is_floating_point() else tensor.clone()
        for name, tensor in state.items()
    }


def as_torchvision(name: str) -> str:
    module, _, tensor = name.rpartition(".")
    if module in TORCHVISION:
        return f"{TORCHVISION[module]}.{tensor}"
    found = re.match(r"encoder\.stages\.(\d)\.layers\.(\d)\.(?:layer\.(\d)|shortcut)\.(\w+)", module)
    assert found
    kind = found[4] == "normalization"
    part = f"downsample.{int(kind)}" if found[3] is None else f"{'bn' if kind else 'conv'}{int(found[3]) + 1}"
    return f"layer{int(found[1]) + 1}.{found[2]}.{part}.{tensor}"


def as_timm(name: str) -> str:
    module, _, tensor = name.rpartition(".")
    if module in TIMM:
        return f"{TIMM[module]}.{tensor}"
    found = re.match(r"encoder\.blocks\.(\d+)\.(.+)", module)
    assert found
    stage, block = 0, int(found[1])
    while block >= (2, 4, 4, 6, 6, 8, 2)[stage]:
        block -= (2, 4, 4, 6, 6, 8, 2)[stage]
        stage += 1
    part = {
        "expansion.expand_conv": "conv_pw",
        "expansion.expand_bn": "bn1",
        "depthwise_conv.depthwise_conv": "conv_dw",
        "depthwise_conv.depthwise_norm": "bn2" if stage else "bn1",
        "squeeze_excite.reduce": "se.conv_reduce",
        "squeeze_excite.expand": "se.conv_expand",
        "projection.project_conv": "conv_pwl" if stage else "conv_pw",
        "projection.project_bn": "bn3" if stage else "bn2",
    }[found[2]]
    return f"blocks.{stage}.{block}.{part}.{tensor}"


@pytest.mark.parametrize("size", [32, 64, 100, 128])
def test_the_small_network_has_the_classes_asked_for(size: int) -> None:
    network = build("small", 4, size)
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 4)
    assert 300_000 < sum(parameter.numel() for parameter in network.parameters()) < 1_000_000


def test_fresh_weights_follow_the_seed_and_leave_the_global_stream() -> None:
    before = torch.random.get_rng_state()
    first, again, other = (build("small", 4, 32, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.random.get_rng_state().equal(before)
    assert all(first[name].equal(again[name]) for name in first)
    assert not first["head.weight"].equal(other["head.weight"])


@torch.no_grad()
def test_dropout_is_for_training_and_averaged() -> None:
    images = torch.rand(2, 3, 32, 32)
    spread = []
    for passes in (1, 100):
        network = build("small", 4, 32, dropout=0.5, dropout_passes=passes).eval()
        still = network(images)
        assert network(images).equal(still)
        network.training = True  # of the head alone: the trunk's own statistics stay
        drawn = torch.stack([network(images) for _ in range(30)])
        spread.append(float(drawn.std(dim=0).mean()))
        torch.testing.assert_close(drawn.mean(dim=0), still, atol=0.5 / passes**0.5, rtol=0)
    assert 5 < spread[0] / spread[1] < 20  # ten times


def test_images_are_normalised_as_each_backbone_learnt() -> None:
    class Seen(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.mean(dim=(2, 3))

    grey = torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    for pretraining, expected in (
        ("imagenet", [(1 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, -0.406 / 0.225]),
        ("vggface2", [-91.4953, 127.5 - 103.8827, 255 - 131.0912]),  # blue first, of 255
    ):
        network = build("resnet50" if pretraining == "vggface2" else "small", 3, 32, pretraining=pretraining)
        network.trunk, network.head = Seen(), nn.Identity()  # type: ignore[assignment]
        torch.testing.assert_close(network(grey)[0], torch.tensor(expected), rtol=1e-4, atol=1e-4)


def test_the_resnet_of_vggface2_strides_in_its_first_convolution(resnet: Network) -> None:
    blocks = [module for name, module in resnet.named_modules() if re.search(r"stages\.[123]\.layers\.0$", name)]
    strides = [[layer.convolution.stride[0] for layer in block.layer] for block in blocks]
    assert strides == [[2, 1, 1]] * 3
    maps = resnet.trunk.model.embedder(torch.zeros(1, 3, 224, 224))  # type: ignore[union-attr,operator]
    assert maps.shape[-2:] == (56, 56)


def test_padding_of_odd_maps() -> None:
    assert find_odd_blocks(380) == [6]  # as its published configuration has it
    assert find_odd_blocks(448) == []


def test_shapes_of_the_efficientnet(efficientnet: Network) -> None:
    assert efficientnet.eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 4)
    assert 17_000_000 < sum(parameter.numel() for parameter in efficientnet.trunk.parameters()) < 18_000_000
    norms = [module for module in efficientnet.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {0.1}


@pytest.mark.parametrize(
    ("which", "prefix", "rename", "head"),
    [
        ("resnet", "resnet.", lambda name: name, "classifier.1.weight"),
        ("resnet", "", as_torchvision, "fc.weight"),
        ("efficientnet", "efficientnet.", lambda name: name, "classifier.weight"),
        ("efficientnet", "", as_timm, "classifier.weight"),
    ],
)
def test_weights_by_the_names_of_three_libraries(
    which: str,
    prefix: str,
    rename: Callable[[str], str],
    head: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    network: Network = request.getfixturevalue(which)
    given = tensors(network)
    named = {prefix + rename(name): tensor for name, tensor in given.items()}
    assert len(named) == len(given)
    file = tmp_path / "model.safetensors"
    save_file({**named, head: torch.zeros(1000, 8)}, file)
    ours = network.head.weight.clone()
    digest = load_backbone(network, tmp_path)
    assert len(digest) == 64
    now = network.trunk.model.state_dict()  # type: ignore[union-attr]
    assert all(now[name].equal(tensor) for name, tensor in given.items())
    assert network.head.weight.equal(ours)


def test_weights_that_do_not_fit(resnet: Network, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    given = tensors(resnet)
    name = "encoder.stages.0.layers.0.layer.0.convolution.weight"

    save_file({key: tensor for key, tensor in given.items() if key != name}, file)
    with pytest.raises(CheckpointError, match=r"1 missing \(as encoder.stages.0.layers.0.layer.0"):
        load_backbone(resnet, file)
    save_file({**given, "extra.weight": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match=r"1 unknown \(as extra.weight\)"):
        load_backbone(resnet, file)
    save_file({**given, name: torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match="it is of another network"):
        load_backbone(resnet, file)
    with pytest.raises(CheckpointError, match="no file"):
        load_backbone(resnet, tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match=r"can run code.*convert"):
        load_backbone(resnet, tmp_path / "weights.pkl")
    with pytest.raises(ConfigError, match="network small, which has none"):
        load_backbone(build("small", 4, 32), file)


def test_networks_that_there_are_not() -> None:
    with pytest.raises(ConfigError, match="expected one of small, resnet50, efficientnet-b4"):
        build("vgg", 4, 64)
    with pytest.raises(ConfigError, match="size is 16 pixels; expected 32"):
        build("small", 4, 16)
    with pytest.raises(ConfigError, match="'vggface2' for small"):
        build("small", 4, 64, pretraining="vggface2")
