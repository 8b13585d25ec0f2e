"""Weights: NVIDIA's pickles, PyTorch's files, safetensors and their headers."""

from __future__ import annotations

import io
import json
import pickle
import pickletools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from core import tensor_files
from core.errors import GestaltError
from editing import direction_file
from gen import checkpoint
from gen.config import GeneratorConfig
from gen.published.importing import contents, read_weights
from gen.published.safe_pickle import read as read_pickle
from inversion import inverter_file
from tests.api.tiny import tiny_checkpoint
from tests.fuzzing.bounds import DEEP, JSON, altered, damaged, refused_or_read
from tests.gen.published.stylegan2_ada_files import generator_kwargs, module, write_stylegan2_ada_pickle

PLAIN: Final = {"a": [1, 2.5, None, True, b"bytes", "text", (1, 2), {3, 4}], "b": {"c": [[]] * 3}, 5: 2**70}
OPCODES: Final = [one.code.encode("latin-1") for one in pickletools.opcodes]
SHIPPED: Final = Path(__file__).parents[2] / "weights"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def official(folder: Path) -> bytes:
    """A small pickle of NVIDIA's form."""
    config = GeneratorConfig(16, z_dim=4, w_dim=4, mapping_layers=1, channel_base=64, channel_max=4)
    tensors = {"mapping.w_avg": torch.zeros(4), "synthesis.b4.const": torch.zeros(4, 4, 4)}
    network = module("Generator", generator_kwargs(config), tensors)
    path = write_stylegan2_ada_pickle(folder / "official.pkl", {"G_ema": network})
    with suppress(GestaltError):
        read_weights(path)  # imports what making a network needs
    return path.read_bytes()


@pytest.fixture(scope="module")
def zipped() -> bytes:
    """A small file of PyTorch's."""
    file = io.BytesIO()
    torch.save({"g_ema": {"style.1.weight": torch.zeros(4, 4)}, "args": {"size": 16}}, file)
    return file.getvalue()


@pytest.fixture(scope="module")
def headers(folder: Path) -> list[dict[str, Any]]:
    """Headers of a generator, directions and an inverter."""
    shipped = [SHIPPED / "phantom128-directions.safetensors", SHIPPED / "phantom128-inverter.safetensors"]
    return [tensor_files.read_header(path) for path in (tiny_checkpoint(folder / "tiny.safetensors"), *shipped)]


def read_all(path: Path) -> None:
    """Read a file as the commands do that bring weights in or show them."""
    readers: tuple[Callable[[Path], Any], ...] = (
        *(contents, read_weights, checkpoint.read_info, checkpoint.load_arrays),
        *(direction_file.load, inverter_file.read_info),
    )
    for read in readers:
        with refused_or_read():
            read(path)


@given(data=st.data())
def test_damaged_plain_pickles_are_refused_or_read(data: st.DataObject) -> None:
    files = [pickle.dumps(PLAIN, protocol) for protocol in range(6)]
    content = data.draw(damaged(files, OPCODES))
    with refused_or_read():
        read_pickle(io.BytesIO(content), {})


@given(st.lists(st.sampled_from(OPCODES) | st.binary(max_size=9), max_size=60))
def test_pickles_of_any_opcodes_are_refused_or_read(parts: list[bytes]) -> None:
    with refused_or_read():
        read_pickle(io.BytesIO(b"".join(parts)), {("collections", "OrderedDict"): dict})


@given(data=st.data())
def test_damaged_official_pickles_are_refused_or_read(folder: Path, official: bytes, data: st.DataObject) -> None:
    path = folder / "damaged.pkl"
    path.write_bytes(data.draw(damaged([official], OPCODES)))
    with refused_or_read():
        contents(path)
    with refused_or_read():
        read_weights(path)


@given(data=st.data())
def test_damaged_files_of_pytorch_are_refused_or_read(folder: Path, zipped: bytes, data: st.DataObject) -> None:
    path = folder / "damaged.pt"
    path.write_bytes(data.draw(damaged([zipped], OPCODES)))
    with refused_or_read():
        contents(path)


@given(data=st.data())
def test_damaged_safetensors_are_refused_or_read(
    folder: Path, headers: list[dict[str, Any]], data: st.DataObject
) -> None:
    file = save({"a": torch.zeros(2, 2)}, {tensor_files.KEY: json.dumps(headers[0])})
    content = data.draw(damaged([file], [*DEEP, b'"', b"{", b"}", b"[2,2]", b"F32", b"\xff" * 8]))
    path = folder / "damaged.safetensors"
    path.write_bytes(content)
    with refused_or_read():
        tensor_files.read(content)
    read_all(path)


@given(data=st.data())
def test_headers_of_any_form_are_refused_or_read(
    folder: Path, headers: list[dict[str, Any]], data: st.DataObject
) -> None:
    header = data.draw(st.sampled_from(headers).flatmap(altered) | JSON)
    path = folder / "header.safetensors"
    path.write_bytes(save({"a": torch.zeros(2)}, {tensor_files.KEY: json.dumps(header)}))
    read_all(path)


@pytest.mark.parametrize("deep", DEEP, ids=["lists", "objects"])
def test_deep_headers_are_refused_or_read(folder: Path, deep: bytes) -> None:
    path = folder / "deep.safetensors"
    path.write_bytes(save({"a": torch.zeros(2)}, {tensor_files.KEY: deep.decode()}))
    read_all(path)
