"""`make bench`: speed of our code beside the published way and other runtimes, in one run on this machine.

It writes benchmarks/latest.json, a list of entries in seconds per image (per step for training, per fit for
direction-fit), and a picture of it, latest.png. A run of all parts replaces them; --quick and a choice of parts change
their own entries only. The published way is computed by benchmarks/speed/published.py. Both ways keep freed memory, as
our commands do.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from benchmarks.harness import limit, machine
from benchmarks.harness.choices import check_choices
from benchmarks.harness.comparing import MeasurementPlan
from benchmarks.harness.entries import LATEST, BenchmarkEntry, merge_entries, read_entries, write_entries
from benchmarks.harness.plotting import plot_entries
from benchmarks.harness.tables import WIDTH, format_table
from benchmarks.harness.targets import NOTE
from core.hardware import keep_freed_memory
from core.precision import PRECISIONS, dtype_of

SPEEDS: Final = {
    "generation": "images by size and batch",
    "training": "training steps at 128 px",
    "inversion": "photographs to latents, five passes",
    "svm": "the fit of a direction",
    "phantoms": "drawn faces",
    "encoding": "PNG files",
    "throughput": "some hundred images through the service",
}
SIZES: Final = ("64", "128", "shipped", "256", "512")
TIMES_OF: Final = "an image, a training step of its batch, or a fit"
QUICK: Final = ("generation", "training", "inversion")
MEASUREMENTS: Final = {
    "service": "the service against its targets; has options of its own: `service --help`",
    "soak": "hours of mixed load, and what grows; `--minutes N`",
}
"""Measurements that are no comparisons of speed: each runs alone, by its name, and writes no entries."""

_EPILOG: Final = "\n".join(
    [
        "\b",
        "parts:",
        *(f"  {name:12} {what}" for name, what in SPEEDS.items()),
        "by name only, alone:",
        *(f"  {name:12} {what}" for name, what in MEASUREMENTS.items()),
        "\n\b\nexamples:",
        "  python -m benchmarks --quick                what has a target, two minutes",
        "  python -m benchmarks generation training    two parts",
        "  python -m benchmarks generation --size shipped --batch 8    one size, quickly",
        "  python -m benchmarks service --part throughput --images 3000",
        "  python -m benchmarks soak --minutes 15",
    ]
)


def main(words: Sequence[str]) -> None:
    """Run the command line."""
    name, command, epilog = "python -m benchmarks", compare_speeds, _EPILOG
    if words and words[0] in MEASUREMENTS:
        command = importlib.import_module(f"benchmarks.load.{words[0]}").main
        name, words, epilog = f"{name} {words[0]}", words[1:], ""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(help=command.__doc__, epilog=epilog)(command)
    app([*words], prog_name=name)


def compare_speeds(
    parts: Annotated[list[str] | None, typer.Argument(metavar="PART", help="Only these; see below.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only what has a target, with fewer rounds.")] = False,
    full: Annotated[bool, typer.Option("--full", help="20,000 latents for the fit of a direction, not 4,000.")] = False,
    size: Annotated[
        list[str] | None,
        typer.Option(help=f"Of generation only these sizes in pixels, or the shipped network: {', '.join(SIZES)}."),
    ] = None,
    batch: Annotated[list[int] | None, typer.Option(help="Of generation only these batches.")] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PEER", help="Leave out this peer of generation, such as torch.compile."),
    ] = None,
    out: Annotated[Path, typer.Option(help="JSON to write.", show_default="benchmarks/latest.json")] = LATEST,
) -> None:
    """Measure the speed of our code beside the published way and other runtimes, on this machine."""
    check_choices("part", parts or (), SPEEDS)
    check_choices("size", size or (), SIZES)
    console, began = _make_console(), time.perf_counter()
    whole = not (parts or quick or size or batch or without)
    parts = parts or list(QUICK if quick else SPEEDS)
    keep_freed_memory()
    line, limits = _measure_machine(console)
    plan = MeasurementPlan(
        line,
        limits,
        quick=quick,
        full=full,
        sizes=tuple(size or ()),
        batches=tuple(batch or ()),
        without=tuple(without or ()),
    )
    entries: list[BenchmarkEntry] = []
    for name in parts:
        started = time.perf_counter()
        measured = _measure_part(name, plan)
        console.print(f"\n[bold]{name}: {SPEEDS[name]}[/] [dim]({time.perf_counter() - started:.0f} s)[/]")
        console.print(format_table(measured))
        entries += measured
        write_entries(out, merge_entries(read_entries(out), measured))
    kept = entries if whole else read_entries(out)
    write_entries(out, kept)
    plot_entries(out.with_suffix(".png"), kept)
    console.print(
        f"\nTimes are for {TIMES_OF}. Ratio: how many times faster than published, or than the best peer. {NOTE}"
    )
    console.print(f"{out} and {out.with_suffix('.png').name}: {len(entries)} of {len(kept)} entries new")
    console.print(f"[dim]{time.perf_counter() - began:.0f} s in all[/]")


def _measure_part(name: str, plan: MeasurementPlan) -> list[BenchmarkEntry]:
    """Measure a part; each entry is printed on stderr as it comes."""
    log, entries = Console(stderr=True, highlight=False, style="dim"), []
    folder = "load" if name == "throughput" else "speed"
    for entry in importlib.import_module(f"benchmarks.{folder}.{name}").measure(plan):
        log.print(f"{entry.name}, batch {entry.batch}, {entry.precision}: {1000 * entry.ours_s:,.3f} ms")
        entries.append(entry)
    return entries


def _make_console() -> Console:
    usual = Console(highlight=False)
    return Console(highlight=False, width=max(usual.width, WIDTH))


def _measure_machine(console: Console) -> tuple[str, dict[str, float]]:
    """Measure and print the limits of this machine; return its description, and the FLOP/s of each precision."""
    line = machine.describe_machine()
    console.print(line)
    precisions = PRECISIONS if machine.has_bfloat16() else ("float32",)
    limits = {name: limit.measure_flop_per_s(dtype_of(name)) for name in precisions} | _measure_gpu_limits()
    reached = ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in limits.items())
    console.print(f"arithmetic limit, measured by direct convolutions and a matrix product: {reached}")
    return line, limits


def _measure_gpu_limits() -> dict[str, float]:
    import torch

    if not torch.cuda.is_available():
        return {}
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    return {f"{name}, GPU": limit.measure_flop_per_s(dtype, "cuda") for name, dtype in dtypes.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
