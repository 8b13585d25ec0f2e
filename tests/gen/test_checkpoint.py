from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from core import tensor_files
from core.errors import CheckpointError, GestaltError
from core.seen_images import NOTHING, SeenImages
from gen import checkpoint
from gen.networks import Discriminator
from tests.fuzzing.bounds import refused_or_read
from tests.gen.fixtures import discriminator_32, fixture, generator_32


def test_a_network_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    counts = {"WS": {"infant": 3}}
    checkpoint.save(
        path, generator_32(), origin="fixtures", licence="Apache-2.0", images_seen=7, training_counts=counts
    )
    net, f = checkpoint.load_generator(path), fixture("generator_cond_32")
    assert torch.equal(net(f["z"], f["c"]), generator_32()(f["z"], f["c"]))
    info = checkpoint.read_info(path)
    assert (info.network, info.origin, info.licence, info.images_seen) == (
        "generator",
        "fixtures",
        "Apache-2.0",
        7,
    )
    assert info.config == net.config
    assert info.training_counts == counts
    assert len(info.sha256) == 64
    assert list(tmp_path.iterdir()) == [path]


def test_a_discriminator_is_known_as_one(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, discriminator_32(clamp=256.0))
    assert isinstance(checkpoint.load(path), Discriminator)
    with pytest.raises(CheckpointError, match="holds a discriminator; expected a generator"):
        checkpoint.load_generator(path)


def test_loading_leaves_the_random_stream_alone(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "net.safetensors", generator_32())
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    checkpoint.load(tmp_path / "net.safetensors")
    assert torch.equal(torch.rand(1), expected)


def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no file"):
        checkpoint.load(tmp_path / "absent.safetensors")
    truncated = tmp_path / "truncated.safetensors"
    checkpoint.save(truncated, generator_32())
    truncated.write_bytes(truncated.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        checkpoint.load(truncated)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(CheckpointError, match="was not written by gestaltgen"):
        checkpoint.load(foreign)
    save_file({"a": torch.zeros(1)}, foreign, {"gestaltgen": "{"})
    with pytest.raises(CheckpointError, match="entry that is not JSON"):
        checkpoint.load(foreign)


@pytest.mark.parametrize("vocabulary", [[], {}, 0, "", False], ids=str)
def test_a_vocabulary_of_another_form_is_refused(tmp_path: Path, vocabulary: object) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, generator_32())
    tensors, header = tensor_files.read(path)
    del header["identifiers"]
    tensor_files.write(path, tensors, header | {"config": header["config"] | {"vocabulary": vocabulary}})
    with pytest.raises(CheckpointError, match="is not a network's checkpoint"):
        checkpoint.load_arrays(path)


HUGE = [{"resolution": 4096, "channel_base": 1 << 20}, {"w_dim": 1 << 20}, {"mapping_layers": 1 << 20}]


@pytest.mark.parametrize("sizes", HUGE, ids=lambda sizes: next(iter(sizes)))
def test_huge_sizes_are_refused_before_anything_is_allocated(tmp_path: Path, sizes: dict[str, int]) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, generator_32())
    tensors, header = tensor_files.read(path)
    tensor_files.write(path, tensors, header | {"config": header["config"] | sizes})
    with refused_or_read(), pytest.raises(GestaltError):
        checkpoint.load(path)


def test_a_failed_save_keeps_the_last_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, generator_32())
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(path, generator_32(), origin="newer")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "seen", [SeenImages.of(["ab" * 32, "cd" * 32]), SeenImages.of(["ab" * 32], complete=False), NOTHING]
)
def test_a_checkpoint_says_which_images_it_was_trained_on(tmp_path: Path, seen: SeenImages) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, generator_32(), seen=seen)
    info = checkpoint.read_info(path)
    assert (info.seen, info.seen_complete, info.seen_images) == (seen.keys, seen.complete, seen)


def test_a_checkpoint_keeps_the_identifiers_of_its_conditions(tmp_path: Path) -> None:
    path, net = tmp_path / "net.safetensors", generator_32()
    assert net.config.vocabulary is not None
    own = replace(net.config.vocabulary, stored_identifiers={"other": {"MONDO": "MONDO:0007644"}})
    net.config = replace(net.config, vocabulary=own)
    checkpoint.save(path, net)
    vocabulary = checkpoint.read_info(path).vocabulary
    assert vocabulary is not None
    assert vocabulary.identifiers == {"other": {"MONDO": "MONDO:0007644"}}
    tensors, header = tensor_files.read(path)
    del header["identifiers"]  # as older versions wrote it
    tensor_files.write(path, tensors, header)
    vocabulary = checkpoint.read_info(path).vocabulary
    assert vocabulary is not None
    assert vocabulary.identifiers["WS"]["OMIM"] == "OMIM:194050"


def test_older_checkpoints_do_not_say_it(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, generator_32())
    assert "seen" not in tensor_files.read_header(path)
    info = checkpoint.read_info(path)
    assert (info.seen, info.seen_complete) == (None, False)
    tensors, header = tensor_files.read(path)
    tensor_files.write(path, tensors, header | {"seen": {"keys": "half"}})
    with pytest.raises(CheckpointError, match=r"is not a network's checkpoint: .*training images"):
        checkpoint.read_info(path)
