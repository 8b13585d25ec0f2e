"""Files of tensors: safetensors with a JSON header, the format of everything that the project saves.

PyTorch is imported inside the functions that need it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from core.atomic_files import write_file
from core.errors import CheckpointError, ConfigError, DatasetError, DirectionError, LabelError

if TYPE_CHECKING:
    from torch import Tensor

KEY: Final = "gestaltgen"


def write(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON-able header; an existing file is replaced at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, to_bytes(tensors, header))


def to_bytes(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> bytes:
    """Return the content of the file that `write` writes."""
    from safetensors.torch import save as serialize

    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return serialize(contiguous, {KEY: json.dumps(dict(header), sort_keys=True)})


def read(source: Path | bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the header of a file that `write` made, or of its bytes.

    Raises:
        CheckpointError: no such file, a damaged one, or one without our header.
    """
    if isinstance(source, bytes):
        return _read_bytes(source)
    with _open(source) as file:
        header = _header(source, file.metadata())
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118


def read_arrays(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Read the tensors as NumPy arrays, without PyTorch; otherwise as `read`."""
    with _open(path, framework="np") as file:
        header = _header(path, file.metadata())
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118


def read_any(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of any safetensors file.

    Raises:
        CheckpointError: no such file, or a damaged one.
    """
    with _open(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118


def read_header(path: Path) -> dict[str, Any]:
    """Read the header alone; errors as in `read`."""
    with _open(path, framework="np") as file:
        return _header(path, file.metadata())


@contextmanager
def refuse_malformed_header(path: Path, kind: str) -> Iterator[None]:
    """Turn the errors that a header of another form causes into CheckpointError.

    Args:
        kind: what the file should be, as "a file of directions".
    """
    try:
        yield
    except (CheckpointError, ConfigError, DirectionError, LabelError):
        raise
    except (DatasetError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CheckpointError(f"{path} is not {kind}: {error!r:.300} in its header") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _open(path: Path, framework: str = "pt") -> Any:
    try:
        return safe_open(path, framework=framework)
    except FileNotFoundError:
        raise CheckpointError(f"there is no file {path}; check the path, or train one") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error}); copy it again from its source"
        ) from None


def _read_bytes(data: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors.torch import load as deserialize

    try:
        tensors = deserialize(data)
    except SafetensorError as error:
        raise CheckpointError(f"the stored tensors are damaged ({error}); make them again") from None
    length = int.from_bytes(data[:8], "little")  # of the JSON that follows, which `deserialize` does not return
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__")
    return tensors, _header("the stored file", metadata)


def _header(path: Path | str, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    if KEY not in (metadata or {}):
        raise CheckpointError(f"{path} has no {KEY!r} entry in its metadata: it was not written by gestaltgen")
    try:
        header: dict[str, Any] = json.loads((metadata or {})[KEY])
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} has a {KEY!r} entry that is not JSON ({error})") from None
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} has a {KEY!r} entry that is a {type(header).__name__}; expected an object")
    return header
