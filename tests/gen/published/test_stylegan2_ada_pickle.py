"""Official pickles in, and hostile ones refused."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.errors import CheckpointError
from faces.labels import AGE_GROUPS
from gen.labels import Vocabulary
from gen.networks import Discriminator, Generator
from gen.official import load_stylegan2_ada, read_pickle
from tests.gen.fixtures import D32, G32, fixture, published_tensors
from tests.gen.published.stylegan2_ada_files import (
    SOURCE,
    Module,
    discriminator_kwargs,
    generator_kwargs,
    module,
    write_pickle,
    write_stylegan2_ada_pickle,
)

G_TENSORS, D_TENSORS = "generator_cond_32", "discriminator_cond_32"


def generator_module(source: str = "", **changes: Any) -> Module:
    kwargs = generator_kwargs(G32) | changes
    return module("Generator", kwargs, published_tensors(G_TENSORS), source)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@torch.no_grad()
def test_images_and_logits_of_a_stylegan2_ada_pickle_are_the_references(tmp_path: Path, protocol: int) -> None:
    sentinel = tmp_path / "sentinel"
    source = SOURCE.format(sentinel=str(sentinel))
    networks = {
        "G": generator_module(),
        "D": module("Discriminator", discriminator_kwargs(D32), published_tensors(D_TENSORS), source),
        "G_ema": generator_module(source),
    }
    if protocol == 2:  # bytes are written as text that is encoded by a call; the official files are of 3 or 4
        path = write_stylegan2_ada_pickle(tmp_path / "network.pkl", networks, protocol)
        with pytest.raises(CheckpointError, match=r"'_codecs.encode'|'__builtin__.set'"):
            read_pickle(path, Vocabulary())
        return
    read = read_pickle(write_stylegan2_ada_pickle(tmp_path / "network.pkl", networks, protocol), Vocabulary())
    assert list(read) == ["G", "D", "G_ema"]
    config, tensors = read["G_ema"]
    assert config == replace(G32, conv_clamp=None)
    g, d = fixture(G_TENSORS), fixture(D_TENSORS)
    net = load_stylegan2_ada(Generator(G32), tensors)
    assert (net(g["z"], g["c"]) - g["image_const"]).abs().max() < 2e-4
    assert read["D"][0] == D32
    judge = load_stylegan2_ada(Discriminator(D32), read["D"][1])
    assert (judge(d["image"], d["c"]) - d["logits"]).abs().max() < 1e-4
    assert not sentinel.exists()


def test_reading_imports_nothing(tmp_path: Path) -> None:
    path = write_stylegan2_ada_pickle(tmp_path / "network.pkl", {"G_ema": generator_module()})
    before = set(sys.modules)
    read_pickle(path, Vocabulary())
    assert set(sys.modules) == before


def test_a_parameter_that_is_a_view_or_half_precision_is_read(tmp_path: Path) -> None:
    tensors = dict(published_tensors(G_TENSORS))
    bias = torch.arange(128.0)
    tensors["mapping.fc1.bias"] = bias[1::2]
    tensors["mapping.fc2.bias"] = bias[:64].half()
    path = write_stylegan2_ada_pickle(
        tmp_path / "n.pkl", {"G_ema": module("Generator", generator_kwargs(G32), tensors)}
    )
    read = read_pickle(path, Vocabulary())["G_ema"][1]
    assert torch.equal(read["mapping.fc1.bias"], bias[1::2])
    assert torch.equal(read["mapping.fc2.bias"], bias[:64].half())


@pytest.mark.parametrize(
    ("changes", "vocabulary", "message"),
    [
        ({}, None, "labels have 9 columns, and the file does not say what they mean; give a vocabulary"),
        ({}, Vocabulary(("A",)), "6 columns .1 conditions and 5 ages.; the network has labels of 9 columns"),
        ({"c_dim": 0}, Vocabulary(), "the network has no labels; read it without a vocabulary"),
        ({"img_channels": 1}, Vocabulary(), "Generator.img_channels is 1; our networks have 3 built in"),
        ({"img_resolution": 2**20}, Vocabulary(), "img_resolution is 1048576; expected a whole number up to 2048"),
        ({"img_resolution": 48}, Vocabulary(), "resolution is 48; expected a power of two"),
        ({"z_dim": "64"}, Vocabulary(), "z_dim is '64'; expected a whole number"),
        ({"mapping_kwargs": {"num_layers": 10**9}}, Vocabulary(), "mapping_kwargs.num_layers is 1000000000"),
        ({"mapping_kwargs": {"activation": "relu"}}, Vocabulary(), "activation is 'relu'; our networks have 'lrelu'"),
        ({"synthesis_kwargs": {"architecture": "orig"}}, Vocabulary(), "architecture is 'orig'; our networks have"),
        ({"synthesis_kwargs": 7}, Vocabulary(), "synthesis_kwargs is a int; expected named arguments"),
        ({"fused": 1}, Vocabulary(), "unknown arguments Generator.fused"),
    ],
)
def test_arguments_that_our_networks_do_not_have_are_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], vocabulary: Vocabulary | None, message: str
) -> None:
    path = write_stylegan2_ada_pickle(tmp_path / "network.pkl", {"G_ema": generator_module(**changes)})
    with pytest.raises(CheckpointError, match=message):
        read_pickle(path, vocabulary)


def test_label_layers_of_a_discriminator_without_labels_do_not_matter(tmp_path: Path) -> None:
    config = replace(D32, vocabulary=None)
    kwargs = discriminator_kwargs(config) | {"mapping_kwargs": {"num_layers": 0, "lr_multiplier": 0.1}}
    path = write_stylegan2_ada_pickle(tmp_path / "network.pkl", {"D": Module("Discriminator", kwargs)})
    assert read_pickle(path)["D"][0] == replace(config, mapping_layers=8)


def test_arguments_may_be_positional(tmp_path: Path) -> None:
    network = generator_module()
    names = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")
    network.state["_init_args"] = tuple(network.state["_init_kwargs"].pop(name) for name in names)
    path = write_stylegan2_ada_pickle(tmp_path / "network.pkl", {"G_ema": network})
    assert read_pickle(path, Vocabulary())["G_ema"][0] == G32
    network.state["_init_kwargs"]["z_dim"] = 64
    with pytest.raises(CheckpointError, match="5 positional arguments; some are too many"):
        read_pickle(write_stylegan2_ada_pickle(path, {"G_ema": network}), Vocabulary())


def test_another_class_is_refused(tmp_path: Path) -> None:
    path = write_stylegan2_ada_pickle(tmp_path / "network.pkl", {"G_ema": Module("SynthesisNetworkV3", {})})
    with pytest.raises(CheckpointError, match="class 'SynthesisNetworkV3'; expected Generator or Discriminator"):
        read_pickle(path)


def test_twelve_conditions_are_read_with_a_vocabulary_of_twelve(tmp_path: Path) -> None:
    vocabulary = Vocabulary(tuple(f"c{i}" for i in range(12)), AGE_GROUPS)
    path = write_stylegan2_ada_pickle(tmp_path / "network.pkl", {"G_ema": generator_module(c_dim=17)})
    assert read_pickle(path, vocabulary)["G_ema"][0].vocabulary == vocabulary


# Hostile pickles: each would run code, or fill the memory, in an unpickler that trusts it.


class Calls:
    """Pickled as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


class Chained:
    """Pickled as a call whose function is the result of another one."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> Any:
        return getattr, (Calls(__import__, "os"), "system"), {"command": f"touch {self.sentinel}"}


class _StorageBytes:
    """Pickled as torch.storage._load_from_bytes(data)."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> Any:
        return torch.storage._load_from_bytes, (self.data,)


def stack_global(module: str, name: str) -> bytes:
    parts = (b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name))
    return b"\x80\x04" + b"".join(parts) + b"\x93\x8c\x04true\x85R."


def refuse(path: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_pickle(path, Vocabulary())


def test_calls_are_refused_by_name(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    for function, args, name in (
        (os.system, (f"touch {sentinel}",), "'posix.system'"),
        (eval, (f"open({str(sentinel)!r}, 'w')",), "'builtins.eval'"),
        (exec, ("import os",), "'builtins.exec'"),
        (builtins.__import__, ("os",), "'builtins.__import__'"),
        (getattr, (sentinel, "touch"), "'builtins.getattr'"),
        (subprocess.run, (["touch", str(sentinel)],), "'subprocess.run'"),
        (torch.load, (str(sentinel),), "'torch.serialization.load'"),
        (pickle.loads, (b"",), "'_pickle.loads'"),
    ):
        for protocol in (0, 2, 4):
            path = write_pickle(tmp_path / "evil.pkl", {"G_ema": Calls(function, *args)}, protocol)
            refuse(path, name if protocol == 4 else "asks for")  # older ones write the names of Python 2
    refuse(write_pickle(tmp_path / "evil.pkl", {"G_ema": Chained(sentinel)}), "'builtins.getattr'")
    assert not sentinel.exists()


@pytest.mark.parametrize(
    ("module_name", "name"),
    [
        ("collections", "OrderedDict.__init__"),
        ("collections", "OrderedDict.fromkeys.__self__"),
        ("collections", "_sys.modules"),
        ("torch", "os.system"),
        ("torch", "serialization.os.system"),
        ("torch.storage", "io.open"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch_utils.persistence", "exec"),
        ("dnnlib.util", "open_url"),
        ("", "system"),
        ("numpy", "load"),
        ("torch", "FloatStorage"),
    ],
)
def test_names_are_compared_whole(tmp_path: Path, module_name: str, name: str) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(stack_global(module_name, name))
    refuse(path, f"asks for '{module_name}.{name}', which is not on the list")
    path.write_bytes(f"c{module_name}\n{name}\n(S'true'\ntR.".encode())
    refuse(path, "which is not on the list|broken")


def test_code_in_the_pickle_of_a_storage_is_refused(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    evil = pickle.dumps(Calls(os.system, f"touch {sentinel}"), 2)
    path = write_pickle(tmp_path / "evil.pkl", {"G_ema": _StorageBytes(evil)})
    refuse(path, "'posix.system'")
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    refuse(write_pickle(path, {"G_ema": _StorageBytes(head + evil)}), "'posix.system'")
    storage = b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0kX\x03\0\0\0cpuK\x04NtQ."
    refuse(write_pickle(path, {"G_ema": _StorageBytes(head + storage + evil)}), "'posix.system'")
    refuse(write_pickle(path, {"G_ema": _StorageBytes(b"PK\x03\x04" + bytes(100))}), "pickle is broken")
    called = storage.replace(b"X\x01\0\0\0k", b")RX\x01\0\0\0k")
    refuse(write_pickle(path, {"G_ema": _StorageBytes(head + called)}), "a storage type is called")
    assert not sentinel.exists()


def test_a_storage_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    head = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    keys = pickle.dumps(["k"], 2)
    path = tmp_path / "evil.pkl"
    for count in (4, 2**60, -1):
        said = pickle.dumps(count, 2)[2:-1]
        storage = b"\x80\x02(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0kX\x03\0\0\0cpu" + said + b"NtQ."
        data = head + storage + keys + struct.pack("<q", count) + bytes(8)
        refuse(write_pickle(path, {"G_ema": _StorageBytes(data)}), "holds 8 bytes for")


def test_a_tensor_that_reaches_beyond_its_storage_or_multiplies_it_is_refused(tmp_path: Path) -> None:
    storage = torch.zeros(4).untyped_storage()

    class Lying:
        def __init__(self, *description: Any) -> None:
            self.description = description

        def __reduce__(self) -> Any:
            typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
            return torch._utils._rebuild_tensor_v2, (typed, *self.description, False, {})

    path = tmp_path / "evil.pkl"
    for description in (
        (0, (5,), (1,)),
        (2, (3,), (1,)),
        (0, (2,), (4,)),
        (0, (10**12,), (0,)),
        (0, (2**70, 0), (1, 1)),
    ):
        refuse(write_pickle(path, {"G_ema": Lying(*description)}), "reaches beyond its 4 numbers|pickle is broken")
    refuse(write_pickle(path, {"G_ema": Lying(-1, (1,), (1,))}), "not made of a storage, an offset")
    refuse(write_pickle(path, {"G_ema": Lying(0, (1,), (-1,))}), "not made of a storage, an offset")


def test_the_same_bytes_again_and_again_do_not_fill_the_memory(tmp_path: Path) -> None:
    megabyte = torch.zeros(2**18)
    storage_bytes = _legacy_bytes(megabyte)
    body = b"\x80\x04B" + struct.pack("<I", len(storage_bytes)) + storage_bytes + b"\x94"
    body += b"\x8c\rtorch.storage\x8c\x10_load_from_bytes\x93\x94]"
    body += b"h\x01h\x00\x85Ra" * 10_000 + b"."  # the global of memo 1, called with the bytes of memo 0
    path = tmp_path / "evil.pkl"
    path.write_bytes(body)
    refuse(path, "the storages hold more bytes than the file")


def _legacy_bytes(tensor: Tensor) -> bytes:
    taken: list[bytes] = []

    class Spy(pickle.Unpickler):
        def find_class(self, module_name: str, name: str) -> Any:
            if name == "_load_from_bytes":
                return taken.append
            return lambda *_: None

    Spy(io.BytesIO(pickle.dumps(tensor))).load()
    return taken[0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the pickle is broken"),
        (b".", "an operand is missing"),
        (b"(.", "an operand is missing"),
        (b"\x80\x04N", "pickle exhausted"),
        (b"\xff\xfe", "the pickle is broken"),
        (b"N.", "holds no network"),
        (b"}.", "holds no network"),
        (b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.", "the pickle is broken"),  # BINBYTES8 of 2^63 bytes
        (b"Nr\xff\xff\xff\x7f0j\xff\xff\xff\x7f.", "holds no network"),  # memo slot of 2^31: a dict, no array
        (b"h\x05.", "the pickle is broken"),  # memo slot that was never set
        (b"ca\\d\nb\n.", "the pickle is broken"),  # a name with an unknown escape
        (b"\x82\x01.", "uses EXT1"),
        (b"\x84\x01\0\0\0.", "uses EXT4"),
        (b"Pid\n.", "uses PERSID"),
        (b"NQ.", "a persistent id"),
        (b"\x97.", "uses NEXT_BUFFER"),
        (b"(cos\nsystem\no.", "'os.system'"),
        (b"(S'id'\nios\nsystem\n.", "uses STRING"),
        (b"(ios\nsystem\n.", "uses INST"),
        (b"(No.", "uses OBJ"),
        (b"N)}\x92.", "uses NEWOBJ_EX"),
        (b"ccollections\nOrderedDict\n)\x81}b.", "sets the state of a dict"),
        (b"ccollections\nOrderedDict\n}b.", "sets the state of a GlobalReplacement"),
        (b"ccollections\nOrderedDict\n}R.", "calls a GlobalReplacement"),
        (b"}]Ns.", "list as a key"),
        (b"})Ns.", "tuple as a key"),
        (b"N)R.", "calls a NoneType"),
        (b"}}R.", "calls a dict"),
        (b"Na.", "an operand is missing"),
        (b"]Ne.", "a mark is missing"),
        (b"N(Ne.", "NoneType instead of a list"),
        (b"](NNu.", "list instead of a dict"),
        (b"}(Nu.", "the pickle is broken"),
        (b"cnumpy\ndtype\n(V|O8\ntR.", "numpy scalar of dtype"),
        (b"L" + b"9" * 10_000 + b"L\n.", "the pickle is broken"),
    ],
)
def test_opcodes_are_not_abused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(data)
    refuse(path, message)


def test_any_truncation_is_refused(tmp_path: Path) -> None:
    path = write_stylegan2_ada_pickle(tmp_path / "network.pkl", {"G_ema": generator_module()})
    data = path.read_bytes()
    for size in (1, 2, 100, len(data) // 3, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        refuse(path, "the pickle is (broken|truncated)")


def test_endless_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.pkl"
    for open_, close in ((b"", b"\x85"), (b"]", b"a")):
        path.write_bytes(b"]" + open_ * 100_000 + close * 100_000 + b".")
        refuse(path, "nested more than 100 deep")
    twice = b")\x94" + b"".join(b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86\x94" for n in range(70))
    path.write_bytes(twice + b".")  # 2^70 items in 445 bytes
    refuse(path, "nested more than 100 deep, or has more than")
    shared = Module("Layer", {})
    for _ in range(10):  # 3^10 modules of 11 objects
        parent = Module("Layer", {})
        parent.state["_modules"] = {"a": shared, "b": shared, "c": shared}
        shared = parent
    shared.class_name = "Generator"
    refuse(write_stylegan2_ada_pickle(path, {"G_ema": shared}), "more than 16 levels or 10000 modules")


def test_what_is_neither_tensor_nor_module_is_refused(tmp_path: Path) -> None:
    odd = Module("Generator", {})
    odd.state["_parameters"]["weight"] = [1.0]
    refuse(write_stylegan2_ada_pickle(tmp_path / "n.pkl", {"G_ema": odd}), "'weight' is a list; expected a tensor")
    odd.state["_parameters"], odd.state["_modules"] = {}, {"b4": 1.0}
    refuse(write_stylegan2_ada_pickle(tmp_path / "n.pkl", {"G_ema": odd}), "'b4' is a float; expected a module")
    odd.state["_parameters"] = [1]
    refuse(write_stylegan2_ada_pickle(tmp_path / "n.pkl", {"G_ema": odd}), "_parameters of the network is not a dict")


def test_a_file_that_is_absent_is_named(tmp_path: Path) -> None:
    refuse(tmp_path / "absent.pkl", "absent.pkl cannot be read: No such file or directory; check the path")
    huge = tmp_path / "huge.pkl"
    with huge.open("wb") as file:
        file.truncate(5 * 2**30)
    refuse(huge, "has 5368709120 bytes; expected a checkpoint of at most 4294967296")
