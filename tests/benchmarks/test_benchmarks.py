"""The published way and the peers compute the same as ours; entries, targets, tables and options of the benchmarks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from benchmarks import __main__ as command
from benchmarks.harness import flops
from benchmarks.harness.comparing import MeasurementPlan, Subject, compare_ways
from benchmarks.harness.entries import BenchmarkEntry, merge_entries, read_entries, write_entries
from benchmarks.harness.tables import format_table
from benchmarks.harness.targets import find_target
from benchmarks.harness.timing import time_in_turn
from benchmarks.speed import generation, published
from benchmarks.speed.peers import Peer, list_peers
from benchmarks.speed.published import compute_published_way
from gen.config import GeneratorConfig
from gen.inference.generator import InferenceGenerator
from gen.layers import Conv, FullyConnected
from gen.networks import Discriminator, Generator
from tests.gen.fixtures import discriminator_32, fixture, generator_32
from tests.gen.inference.test_generator import make_generator
from tests.inversion.tiny import some_faces, tiny_generator, tiny_inverter

TINY = GeneratorConfig(8, 4, 4, 1, channel_base=16, channel_max=4)


@torch.no_grad()
@pytest.mark.parametrize("per_image_kernels", [False, True])
@pytest.mark.parametrize("clamp", [None, 1.0])
def test_the_published_way_meets_the_fixtures(per_image_kernels: bool, clamp: float | None) -> None:
    f, d = fixture("generator_cond_32"), fixture("discriminator_cond_32")
    clamped = fixture("clamp_32")
    with compute_published_way(per_image_kernels=per_image_kernels):
        images = generator_32(clamp)(f["z"], f["c"])
        logits = discriminator_32(clamp)(d["image"], d["c"])
    expected = (f["image_const"], d["logits"]) if clamp is None else (clamped["image_const"], clamped["logits"])
    torch.testing.assert_close(images, expected[0], atol=2e-4, rtol=0)
    torch.testing.assert_close(logits, expected[1], atol=2e-4, rtol=0)


def test_our_way_comes_back() -> None:
    def ways() -> list[object]:
        return [Conv.forward, FullyConnected.forward, Generator.synthesize, Discriminator.features]

    before = ways()
    with compute_published_way(per_image_kernels=False):
        assert not set(ways()) & set(before)
    assert ways() == before
    with pytest.raises(ZeroDivisionError), compute_published_way(per_image_kernels=False):
        raise ZeroDivisionError
    assert ways() == before


@torch.no_grad()
@pytest.mark.parametrize("noise", ["const", "none", "random"])
def test_the_published_way_with_offsets_is_ours(noise: str) -> None:
    net, draw = tiny_generator(), torch.Generator().manual_seed(2)
    for name, parameter in net.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    w = torch.randn(3, net.config.num_ws, net.config.w_dim, generator=draw)
    offsets = {
        name: 0.3 * torch.randn(3, *shape, generator=draw) for name, shape in list(net.kernel_shapes.items())[1:4]
    }

    def made(**given: object) -> torch.Tensor:
        draws = torch.Generator().manual_seed(3)
        return net.synthesize(w, noise, draws, **given)  # type: ignore[arg-type]

    ours, plain = made(offsets=offsets), made()
    for per_image_kernels in (False, True):
        with compute_published_way(per_image_kernels=per_image_kernels):
            torch.testing.assert_close(made(offsets=offsets), ours, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(made(), plain, atol=1e-4, rtol=1e-4)
    assert (ours - plain).abs().max() > 0.01


def test_a_published_inversion_is_ours_and_takes_no_shortcut(monkeypatch: pytest.MonkeyPatch) -> None:
    inverter, faces, passes = tiny_inverter(), some_faces(2), 2
    convolved, normalised = [], []
    grouped = published.convolve_grouped
    monkeypatch.setattr(published, "convolve_grouped", lambda *a, **k: convolved.append(1) or grouped(*a, **k))
    ours = inverter.invert(faces, passes)
    layers = [module for module in inverter.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [layer.register_forward_hook(lambda *_: normalised.append(1)) for layer in layers]
    with compute_published_way(per_image_kernels=True):
        theirs = inverter.invert(faces, passes)
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(theirs.reconstruction, ours.reconstruction, atol=1e-3, rtol=1e-3)
    blocks = len(inverter.generator.config.block_resolutions)
    assert len(convolved) == (1 + passes) * (3 * blocks - 1)
    seen = [
        sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in (inverter.w_encoder, inverter.hypernet)
    ]
    assert len(normalised) == seen[0] + passes * seen[1]


def test_flop_of_a_tiny_network_by_hand() -> None:
    at_4 = 9 * 4 * 4 * 16 + 4 * 4 + 3 * 4 * 16 + 4 * 4  # convolution, its style, toRGB, its style
    doubling = 9 * 4 * 2 * 16 + 4 * 4  # at the size of its input
    at_8 = 9 * 2 * 2 * 64 + 4 * 2 + 3 * 2 * 64 + 4 * 2
    assert flops.count_mapping(TINY) == 2 * 4 * 4
    assert flops.count_synthesis(TINY) == 2 * (at_4 + doubling + at_8)
    assert flops.count_flop(lambda: torch.ones(2, 3) @ torch.ones(3, 5)) == 2 * 2 * 3 * 5


def test_flop_counted_of_the_published_way_are_those_by_definition_and_the_filters() -> None:
    net = Generator(TINY)
    with compute_published_way(per_image_kernels=True):
        counted = flops.count_flop(lambda: net(torch.ones(1, 4)))
    filters = 2 * 16 * (2 + 3) * 64  # two maps and the picture, at 8 px
    assert counted == flops.count_generation(TINY) + filters


def test_entries_replace_those_of_their_name_precision_and_batch() -> None:
    old = [
        BenchmarkEntry("a", "float32", 1, 4.0, 2.0),
        BenchmarkEntry("a", "bfloat16", 1, 4.0, 1.0),
        BenchmarkEntry("b", "float32", 1, None, 1.0),
    ]
    new = [BenchmarkEntry("a", "bfloat16", 1, 6.0, 1.0), BenchmarkEntry("a", "bfloat16", 8, 6.0, 2.0)]
    assert merge_entries(old, new) == [old[0], new[0], old[2], new[1]]


def test_entries_are_kept_as_a_list_with_ratios(tmp_path: Path) -> None:
    path = tmp_path / "latest.json"
    entries = [
        BenchmarkEntry("training-step-128", "float32", 16, 8.0, 2.0, unit="step", memory_mb=12.5, machine="this one"),
        BenchmarkEntry("phantoms-128", "uint8", 1, None, 0.5),
    ]
    assert read_entries(path) == []
    write_entries(path, entries)
    assert read_entries(path) == entries
    first, second = json.loads(path.read_text())
    assert (first["ratio"], first["images_per_s"], first["machine"]) == (4.0, 8.0, "this one")
    assert (second["published_s"], second["ratio"]) == (None, None)
    assert [file.name for file in tmp_path.iterdir()] == ["latest.json"]


@pytest.mark.parametrize("clamp", [None, 0.5])
@pytest.mark.parametrize("peer", [peer for peer in list_peers() if not peer.compiles], ids=lambda peer: peer.name)
def test_peers_make_our_images(peer: Peer, clamp: float | None) -> None:
    if peer.missing:
        pytest.skip(peer.missing)
    net = make_generator(GeneratorConfig(32, 16, 16, 2, 512, 32, conv_clamp=clamp))
    ws = torch.randn(3, net.config.num_ws, net.config.w_dim, generator=torch.Generator().manual_seed(0))
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    images = peer.make(tensors, net.config, "float32")(ws.numpy())
    torch.testing.assert_close(torch.from_numpy(images), net.synthesize(ws), atol=1e-4, rtol=1e-4)
    assert images.std() > 0.1


def test_ours_is_the_inference_that_commands_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "make_config", lambda size: TINY)
    used = []
    synthesize = InferenceGenerator.synthesize
    monkeypatch.setattr(InferenceGenerator, "synthesize", lambda *a, **k: used.append(len(a[1])) or synthesize(*a, **k))
    images = generation.make_work("8", 3, "ours", "float32")()
    assert used[-1] == 3
    assert isinstance(images, np.ndarray)
    published_images = generation.make_work("8", 3, "published", "float32")()
    torch.testing.assert_close(torch.from_numpy(images), published_images, atol=1e-4, rtol=1e-4)


def test_peers_that_are_left_out_are_named() -> None:
    plan = MeasurementPlan("this one", quick=True, sizes=("64",), without=("OpenVINO",))
    lines = list(generation.list_left_out(plan))
    names = {name for name, _ in generation.choose_peers(plan)}
    assert "PyTorch" in names
    for name in ("OpenVINO", "torch.compile"):
        assert name not in names
        assert any(line.startswith(f"{name}: left out") for line in lines)
    assert generation.choose_shapes(MeasurementPlan("", sizes=("shipped", "64"), batches=(8,))) == [
        ("64", 8),
        ("shipped", 8),
    ]


def test_the_best_peer_of_the_same_precision_is_compared_with(tmp_path: Path) -> None:
    def wait(seconds: float) -> Callable[[], None]:
        return lambda: time.sleep(seconds)

    works = {
        ("ours", "float32"): wait(0.02),
        ("one", "float32"): wait(0.04),
        ("another", "float32"): wait(0.06),
        ("another", "bfloat16"): wait(0.001),
    }
    (entry,) = compare_ways(Subject("generate-8", 2, units=2), works, MeasurementPlan("this one"), 0)
    assert (entry.best_peer, entry.published_s) == ("one", None)
    assert entry.ratio_to_best_peer == pytest.approx(2, rel=0.3)
    write_entries(tmp_path / "latest.json", [entry])
    (data,) = json.loads((tmp_path / "latest.json").read_text())
    assert data["best_peer"] == "one"
    assert data["best_peer_s"] / data["ours_s"] == pytest.approx(data["ratio_to_best_peer"])
    assert read_entries(tmp_path / "latest.json") == [entry]


def test_the_table_says_whether_ours_reaches_the_best_peer() -> None:
    entries = [
        BenchmarkEntry(f"generate-{side}", "float32", 1, None, 2.0, peers_s={"one": peer, "other": 9.0})
        for side, peer in ((8, 1.95), (16, 1.5))
    ]
    console = Console(width=200)
    with console.capture() as captured:
        console.print(format_table(entries))
    above, below = captured.get().splitlines()[1:3]
    assert "met" in above
    assert "missed" in below


def test_the_target_of_all_precisions_is_the_fastest_ones() -> None:
    slow, fast = (
        BenchmarkEntry("inversion-128", name, 8, 4.0, taken) for name, taken in (("float32", 2.0), ("bfloat16", 1.0))
    )
    assert (find_target(slow, [slow, fast]), find_target(fast, [slow, fast])) == (None, 4)
    own = BenchmarkEntry("generate-256", "float32", 8, 4.0, 2.0)
    assert (find_target(own, [own]), find_target(BenchmarkEntry("generate-256", "float32", 1, 4.0, 2.0), [own])) == (
        2.5,
        None,
    )


def test_rounds_end_with_the_budget_and_the_warm_up_is_not_one() -> None:
    called: list[str] = []
    taken = time_in_turn({"a": lambda: called.append("a"), "b": lambda: called.append("b")}, 0)
    assert called == ["a", "b", "a", "b"]
    assert taken.keys() == {"a", "b"}
    called.clear()
    time_in_turn({"a": lambda: called.append("a")}, 1e9, most=3, warm_up={"a": lambda: called.append("first")})
    assert called == ["first", "a", "a", "a"]


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(["generation", "trainin"])
    assert left.value.code == 2
    assert "unknown part 'trainin'; expected some of generation, training" in capsys.readouterr().err


def test_help_names_every_part(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    said = capsys.readouterr().out
    assert all(name in said for name in (*command.SPEEDS, *command.MEASUREMENTS))
