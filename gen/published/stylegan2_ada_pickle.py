"""Reader of NVIDIA's StyleGAN2-ADA pickles, which runs nothing that is in them.

In such a file a network is a call of `torch_utils.persistence._reconstruct_persistent_obj` on a dict. The dict holds
the Python source of the network's class, which NVIDIA's loader executes, and the module's `__dict__`. This reader
ignores the source, and takes the tensors and constructor arguments from the `__dict__`. Storages are pickles within
the pickle; the same interpreter (`gen/published/safe_pickle.py`) reads them, not `torch.load`.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from core.errors import CheckpointError
from gen.published import safe_pickle
from gen.published.safe_pickle import GlobalName

MAX_BYTES: Final = 4 * 2**30
"""Size of the largest file that is read; the published files are below 0.4 GiB."""

NETWORKS: Final = ("G", "D", "G_ema")

_MAX_DEPTH: Final = 16
_MAX_MODULES: Final = 10_000


@dataclass(frozen=True)
class SavedNetwork:
    """Network as a pickle holds it.

    Args:
        class_name: name of its class, as the file says.
        args: positional arguments of its constructor.
        kwargs: named arguments of its constructor.
        tensors: parameters and buffers by their dotted names.
    """

    class_name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class PickledNetworks:
    """Networks of a file by their keys (G, D, G_ema), and the keys of its other contents."""

    networks: Mapping[str, SavedNetwork]
    others: tuple[str, ...]


def read_stylegan2_ada_pickle(path: Path) -> PickledNetworks:
    """Read a checkpoint of NVIDIA's StyleGAN2-ADA for PyTorch.

    Raises:
        CheckpointError: no such file, not such a pickle, a broken one, or one that asks for a global outside the list
            (it is named).
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CheckpointError(f"{path} has {size} bytes; expected a checkpoint of at most {MAX_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}; check the path") from None
    try:
        content = safe_pickle.read(io.BytesIO(data), _list_allowed_globals(len(data)))
        if not isinstance(content, dict) or not any(isinstance(content.get(key), _Persistent) for key in NETWORKS):
            raise CheckpointError(f"the file holds no network; expected a dict with {', '.join(NETWORKS)}")
        networks = {key: _network(content[key]) for key in NETWORKS if isinstance(content.get(key), _Persistent)}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return PickledNetworks(networks, tuple(str(key)[:100] for key in content if key not in networks))


@dataclass(frozen=True)
class _Persistent:
    """Object of a class whose source is in the file. The source is not run."""

    class_name: str
    state: dict[str, Any]


@dataclass
class _Dtype:
    """Code and byte order of a numpy dtype."""

    code: str
    order: str = "<"

    def set_state(self, state: Any) -> None:
        self.order = state[1]


@dataclass(frozen=True)
class _Storage:
    """One-dimensional tensor with the numbers of a storage."""

    values: Tensor


def _persistent(meta: Any) -> _Persistent:
    if not isinstance(meta, dict) or meta.get("type") != "class" or not isinstance(meta.get("state"), dict):
        raise CheckpointError("a persistent object is not a class with a state")
    return _Persistent(str(meta.get("class_name"))[:100], meta["state"])


def _empty_dict() -> dict[Any, Any]:
    return {}


def _set(items: Any = ()) -> set[Any]:
    """Make a set of a list, as protocol 3 writes sets."""
    return {safe_pickle.plain_key(item) for item in items}


def _numpy_dtype(code: Any, *_: Any) -> _Dtype:
    if code not in ("f8", "f4", "i8", "i4", "b1"):
        raise CheckpointError(f"a numpy scalar of dtype {code!r:.50}; expected f8, f4, i8, i4 or b1")
    return _Dtype(code)


def _numpy_scalar(dtype: Any, data: Any) -> Any:
    if not isinstance(dtype, _Dtype) or type(data) is not bytes or dtype.order not in ("<", "|"):
        raise CheckpointError("a numpy scalar is not made of a little-endian dtype and bytes")
    return np.frombuffer(data, dtype.order + dtype.code).item()


_STORAGES: Final[Mapping[str, torch.dtype]] = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
}
_MAGIC: Final = 0x1950A86A20F9469CFC6C
"""First number of torch's file format before zip, the one in which storages are pickled."""


class _Storages:
    """Makes storages from the bytes that `torch.save` wrote: five pickles, the count, the numbers.

    Args:
        budget: number of bytes that all storages of a file may have together. It is the size of the file, because a
            pickle can name the same bytes many times.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget

    def load(self, data: Any) -> _Storage:
        if type(data) is not bytes:
            raise CheckpointError("a storage is not made of bytes")
        self.budget -= len(data)
        if self.budget < 0:
            raise CheckpointError("the storages hold more bytes than the file")
        stream = io.BytesIO(data)
        magic, protocol, system = (safe_pickle.read(stream, {}) for _ in range(3))
        if magic != _MAGIC or protocol != 1001 or not isinstance(system, dict) or not system.get("little_endian"):
            raise CheckpointError("a storage is not in torch's format of version 1001, little-endian")
        storage = safe_pickle.read(stream, _STORAGE_TYPES, persistent=_storage_identity)
        safe_pickle.read(stream, {})  # the keys of all storages; there is one
        if not isinstance(storage, _StorageIdentity):
            raise CheckpointError("a storage's bytes hold something else")
        (count,) = struct.unpack("<q", stream.read(8))
        rest = bytearray(stream.read())
        if count != storage.count or len(rest) != count * storage.dtype.itemsize:
            raise CheckpointError(f"a storage of {storage.count} numbers holds {len(rest)} bytes for {count}")
        return _Storage(torch.frombuffer(rest, dtype=storage.dtype) if rest else torch.empty(0, dtype=storage.dtype))


@dataclass(frozen=True)
class _StorageIdentity:
    dtype: torch.dtype
    count: int


def _storage_identity(identity: Any) -> _StorageIdentity:
    kind, storage_type, _key, _location, count, view = identity
    if (
        kind != "storage"
        or type(storage_type) is not safe_pickle.GlobalReplacement
        or type(count) is not int
        or view is not None
    ):
        raise CheckpointError("a storage is not described as torch does")
    return _StorageIdentity(_STORAGES[storage_type.name[1]], count)


def _not_callable(*_: Any) -> Any:
    raise CheckpointError("a storage type is called: refused")


_STORAGE_TYPES: Final[Mapping[GlobalName, Callable[..., Any]]] = {("torch", name): _not_callable for name in _STORAGES}


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """Rebuild a tensor as `torch._utils._rebuild_tensor_v2` does, without its hooks and without requiring gradients."""
    numbers = (offset, *size, *stride)
    if (
        not isinstance(storage, _Storage)
        or len(size) != len(stride)
        or any(type(n) is not int or n < 0 for n in numbers)
    ):
        raise CheckpointError("a tensor is not made of a storage, an offset, a size and strides")
    reach = offset + 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    # Strides of 0 would give more numbers than the storage has, and could fill the memory.
    if math.prod(size) > storage.values.numel() or (math.prod(size) and reach > storage.values.numel()):
        raise CheckpointError(f"a tensor of shape {size!r:.100} reaches beyond its {storage.values.numel()} numbers")
    return storage.values.as_strided(size, stride, offset)


def _rebuild_parameter(data: Any, *_: Any) -> Tensor:
    if not isinstance(data, Tensor):
        raise CheckpointError("a parameter is not made of a tensor")
    return data


def _list_allowed_globals(file_bytes: int) -> Mapping[GlobalName, Callable[..., Any]]:
    """Map each global that a StyleGAN2-ADA pickle may name to the function that replaces it."""
    return {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        ("torch.storage", "_load_from_bytes"): _Storages(file_bytes).load,
        ("collections", "OrderedDict"): _empty_dict,
        ("dnnlib.util", "EasyDict"): _empty_dict,
        ("builtins", "set"): _set,
        ("numpy", "dtype"): _numpy_dtype,
        ("numpy.core.multiarray", "scalar"): _numpy_scalar,
        ("numpy._core.multiarray", "scalar"): _numpy_scalar,
    }


def _network(saved: _Persistent) -> SavedNetwork:
    args, kwargs = saved.state.get("_init_args", ()), saved.state.get("_init_kwargs", {})
    if not isinstance(args, tuple | list) or not isinstance(kwargs, dict):
        raise CheckpointError(f"{saved.class_name} does not say which arguments it was made with")
    tensors = dict(_tensors(saved))
    return SavedNetwork(saved.class_name, tuple(args), {str(key): value for key, value in kwargs.items()}, tensors)


def _tensors(root: _Persistent) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers of a module and its submodules with their dotted names."""
    waiting: list[tuple[str, int, _Persistent]] = [("", 0, root)]
    seen = 0
    while waiting:
        prefix, depth, module = waiting.pop()
        seen += 1
        # Modules may share submodules, so that a small file could unfold into an endless tree.
        if depth > _MAX_DEPTH or seen > _MAX_MODULES:
            raise CheckpointError(f"the network has more than {_MAX_DEPTH} levels or {_MAX_MODULES} modules")
        for name, value in (*_entries(module, "_parameters", prefix), *_entries(module, "_buffers", prefix)):
            if not isinstance(value, Tensor):
                raise CheckpointError(f"{name!r:.200} is a {type(value).__name__}; expected a tensor")
            yield name, value
        for name, value in reversed(_entries(module, "_modules", prefix)):
            if not isinstance(value, _Persistent):
                raise CheckpointError(f"{name!r:.200} is a {type(value).__name__}; expected a module")
            waiting.append((f"{name}.", depth + 1, value))


def _entries(module: _Persistent, kind: str, prefix: str) -> list[tuple[str, Any]]:
    """List dotted names and values of one of a module's dicts, without those that are None."""
    entries = module.state.get(kind, {})
    if not isinstance(entries, dict):
        raise CheckpointError(f"{kind} of {prefix or 'the network'} is not a dict")
    return [(f"{prefix}{key}", value) for key, value in entries.items() if value is not None]
