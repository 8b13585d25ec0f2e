"""Precisions that networks compute in, and the choice of one for a device.

PyTorch and OpenVINO are imported inside the functions, so that modules that only name a precision load without them.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import numpy as np

from core.atomic_files import write_file
from core.errors import ConfigError
from core.hardware import import_openvino, load_openvino_core

if TYPE_CHECKING:
    import torch

Precision: TypeAlias = Literal["float32", "bfloat16"]

PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

PrecisionChoice: TypeAlias = Literal["auto", "float32", "bfloat16"]
"""Precision that may be asked for. `resolve_precision` makes a Precision of it, and only that is ever recorded."""

_LEAST_GAIN: Final = 0.95
"""Time in bfloat16 as a share of that in float32, below which bfloat16 is taken."""

_SAMPLE_SHAPE: Final = (4, 64, 32, 32)
_TURNS: Final = 12


def automatic_precision(device: torch.device | str) -> Precision:
    """Choose the precision in which a device infers faster; devices that are neither CPU nor CUDA take float32."""
    kind = str(device).partition(":")[0]
    if kind == "cuda":
        return _choose_for_cuda(device)
    return "bfloat16" if kind == "cpu" and is_bfloat16_faster() else "float32"


def resolve_precision(name: str, device: torch.device | str) -> Precision:
    """Return the precision of this name for inference, for "auto" the one that `automatic_precision` chooses.

    Raises:
        ConfigError: an unknown name.
    """
    return automatic_precision(device) if name == "auto" else _check_name(name)


def resolve_training_precision(name: str, device: torch.device) -> Precision:
    """Return the precision of this name for training with PyTorch; "auto" is bfloat16 on devices with matrix units.

    PyTorch computes in bfloat16 more slowly than in float32 on processors with vector instructions alone for it
    (AVX-512 without AMX).

    Raises:
        ConfigError: an unknown name.
    """
    if name != "auto":
        return _check_name(name)
    if device.type == "cuda":
        return _choose_for_cuda(device)
    import torch

    return "bfloat16" if device.type == "cpu" and torch.cpu._is_amx_tile_supported() else "float32"


def _check_name(name: str) -> Precision:
    if name not in PRECISIONS:
        raise ConfigError(
            f"precision is {name!r}; expected one of {', '.join(get_args(PrecisionChoice))}: auto takes the one that "
            "the hardware is made for"
        )
    return name


def _choose_for_cuda(device: torch.device | str) -> Precision:
    import torch

    with torch.cuda.device(torch.device(device)):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"


@dataclass(frozen=True)
class Processor:
    """Properties of the CPU that decide about its precision.

    Attributes:
        name: of the model, as OpenVINO reports it.
        has_bfloat16: has instructions for bfloat16.
        has_matrix_units: has matrix units for it (AMX).
    """

    name: str
    has_bfloat16: bool
    has_matrix_units: bool


@cache
def is_bfloat16_faster() -> bool:
    """Tell whether this machine's CPU infers faster in bfloat16 than in float32; the answer is kept in a file."""
    return decide_bfloat16(inspect_processor(), _find_measurements_file(), measure_precisions)


def decide_bfloat16(processor: Processor, file: Path | None, measure: Callable[[], Mapping[Precision, float]]) -> bool:
    """Decide whether a processor infers in bfloat16.

    Matrix units decide without a measurement. Processors with vector instructions alone for bfloat16 differ: they are
    measured once, so that one machine always makes the same choice and the same request stays the same image set.

    Args:
        file: JSON file with the measurements of all processors; None where it cannot be kept.
        measure: measures the seconds of a small model in each precision.
    """
    if not processor.has_bfloat16 or processor.has_matrix_units:
        return processor.has_bfloat16
    key = f"{processor.name}, OpenVINO {version('openvino')}"
    seconds: Mapping[Precision, float] | None = _read_measurements(file).get(key)
    if seconds is None:
        seconds = measure()
        _keep_measurement(file, key, seconds)
    return seconds["bfloat16"] < _LEAST_GAIN * seconds["float32"]


def inspect_processor() -> Processor:
    """Inspect the CPU of this machine."""
    core = load_openvino_core()
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:  # another system than Linux; matrix units are then found by measuring
        flags = ""
    return Processor(core.get_property("CPU", "FULL_DEVICE_NAME"), "BF16" in capabilities, "amx_bf16" in flags)


def measure_precisions() -> dict[Precision, float]:
    """Measure the seconds of a small model, of layers like those of a generator, in each precision.

    The model runs in both precisions in turns, so that other load affects both; the shortest times count.
    """
    models = {precision: _compile_sample(precision) for precision in PRECISIONS}
    x = np.random.default_rng(0).standard_normal(_SAMPLE_SHAPE, dtype=np.float32)
    seconds: dict[Precision, float] = dict.fromkeys(PRECISIONS, math.inf)
    for _ in range(_TURNS):
        for precision, model in models.items():
            began = time.perf_counter()
            model([x])
            seconds[precision] = min(seconds[precision], time.perf_counter() - began)
    return seconds


def _compile_sample(precision: Precision) -> Any:
    """Compile a model of four convolutions with scales and activations between them."""
    openvino = import_openvino()
    ops, draw = openvino.opset13, np.random.default_rng(0)
    channels = _SAMPLE_SHAPE[1]
    node = image = ops.parameter(_SAMPLE_SHAPE, np.float32)
    for _ in range(4):
        kernel = draw.standard_normal((channels, channels, 3, 3), dtype=np.float32) / np.float32(3 * channels**0.5)
        node = ops.convolution(node, ops.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1])
        node = ops.multiply(node, ops.constant(np.ones((1, channels, 1, 1), np.float32) * np.float32(1.1)))
        node = ops.maximum(node, ops.multiply(node, ops.constant(np.float32(0.2))))
    hint = "bf16" if precision == "bfloat16" else "f32"
    model = openvino.Model([node], [image])
    return load_openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1})


def _find_measurements_file() -> Path | None:
    """Return the file of measurements in the user's cache folder; None for a user without a home folder."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return folder / "gestaltgen" / "precision.json"


def _read_measurements(file: Path | None) -> dict[str, dict[Precision, float]]:
    """Read the measurements by processor; a file that is missing or damaged holds none."""
    try:
        entries = json.loads(b"{}" if file is None else file.read_bytes())
        return {key: {name: float(entry[name]) for name in PRECISIONS} for key, entry in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _keep_measurement(file: Path | None, key: str, seconds: Mapping[Precision, float]) -> None:
    """Add a measurement to the file. Where it cannot be written, the next process measures again."""
    if file is None:
        return
    entries = _read_measurements(file) | {key: dict(seconds)}
    with suppress(OSError):
        write_file(file, json.dumps(entries, indent=1).encode())


def dtype_of(precision: Precision) -> torch.dtype:
    """Return the data type of the convolutions; parameters, latents and images are float32 in every precision."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def precision_of(dtype: torch.dtype) -> Precision:
    """Return the precision whose convolutions have this data type, one of those of `dtype_of`."""
    import torch

    return "bfloat16" if dtype == torch.bfloat16 else "float32"


def autocast_to(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which convolutions and matrix products are computed in this precision.

    Parameters, losses and sums stay float32.
    """
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")
