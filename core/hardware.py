"""The machine that a process runs on: its devices, cores and memory."""

from __future__ import annotations

import ctypes
import importlib
import math
import os
import resource
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_MAX: Final = -4
_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2

_CONVERTER: Final = "openvino.tools"
"""Package with OpenVINO's converter of other formats, which `import openvino` imports if it is there."""


def import_openvino() -> Any:
    """Import OpenVINO without its converter, with which the import takes twice as long, and 16 MB more.

    `from openvino.tools.ovc import convert_model` works as usual afterwards; `openvino.convert_model` is missing.
    """
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]  # its import fails, which OpenVINO expects
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[_CONVERTER]


@cache
def load_openvino_core() -> Any:
    """Return OpenVINO's core, of which a process has one: after two were used and freed, a signal ends the process."""
    return import_openvino().Core()


def keep_freed_memory() -> bool:
    """Let glibc keep large blocks that were freed, for the whole process.

    By default each tensor above some hundred kilobytes is mapped anew and cleared by the kernel page by page. Where
    the C library is another, nothing happens.

    Returns:
        Whether it was done.
    """
    return _set_malloc_option(_M_MMAP_MAX, 0) and _set_malloc_option(_M_TRIM_THRESHOLD, -1)


def limit_arenas() -> bool:
    """Let the threads of this process share two areas of glibc's memory, instead of one for each; call it early.

    A service with many threads would keep freed memory in each area, tens of megabytes in all. Where the C library is
    another, nothing happens.

    Returns:
        Whether it was done.
    """
    return _set_malloc_option(_M_ARENA_MAX, _ARENAS)


def _set_malloc_option(option: int, value: int) -> bool:
    """Set an option of glibc's malloc; returns whether there is such an option."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(option, value))
    except (OSError, AttributeError):
        return False


def peak_bytes(device: torch.device) -> int:
    """Return the most memory taken so far: of the GPU, or of the process."""
    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@dataclass(frozen=True)
class Machine:
    """Resources of the machine that a process may use.

    Args:
        device: name of the GPU, or "CPU".
        cores: CPU cores, within the limit of a container.
        free_bytes: memory that is free on the device, within the limit of a container; None where unknown.
    """

    device: str
    cores: int
    free_bytes: int | None

    @property
    def is_cpu(self) -> bool:
        return self.device == "CPU"


def inspect_machine(device: torch.device) -> Machine:
    """Describe the machine for a process that computes on a device."""
    if device.type == "cuda":
        import torch

        return Machine(torch.cuda.get_device_name(device), count_cores(), torch.cuda.mem_get_info(device)[0])
    return Machine("CPU", count_cores(), free_memory_bytes())


def count_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the CPU cores that this process may use.

    Args:
        cgroup: folder of the control group, whose `cpu.max` limits a container.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = _read_text(cgroup / "cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(1, cores)


def count_threads() -> int:
    """Return the number of threads to compute on: OMP_NUM_THREADS, as numerical libraries take it, else the cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else count_cores()


def free_memory_bytes(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the memory that this process can still take, or None where the system does not say.

    Args:
        meminfo: Linux's account of the memory.
        cgroup: folder of the control group, whose `memory.max` limits a container.
    """
    known = []
    for line in _read_text(meminfo).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            known.append(int(value.split()[0]) * 1024)
    limit, used = (_read_text(cgroup / f"memory.{name}") for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        # Files that the kernel keeps in memory count as used, and are dropped when memory is needed.
        pages = dict(line.split(maxsplit=1) for line in _read_text(cgroup / "memory.stat").splitlines() if " " in line)
        known.append(max(0, int(limit) - int(used) + int(pages.get("inactive_file", 0))))
    return min(known, default=None)


def _read_text(path: Path) -> str:
    """Read a small file of the system; empty where there is none."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
