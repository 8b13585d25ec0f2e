"""Description of the machine in one line, for comparisons of figures."""

from __future__ import annotations

import os
from pathlib import Path

import torch


def describe_machine() -> str:
    """Describe processor, cores, units for bfloat16, GPU, and PyTorch with its threads."""
    units = _detect_units()
    parts = [
        _read_processor(),
        f"{os.cpu_count()} cores",
        *(name if there else f"no {name}" for name, there in units.items()),
        torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU",
        f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads",
    ]
    return ", ".join(parts)


def has_bfloat16() -> bool:
    """Tell whether the processor has instructions for bfloat16; without them it is emulated, and very slow."""
    return any(_detect_units().values())


def _detect_units() -> dict[str, bool]:
    return {"AMX": torch.cpu._is_amx_tile_supported(), "AVX-512 bf16": torch.cpu._is_avx512_bf16_supported()}


def _read_processor() -> str:
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
