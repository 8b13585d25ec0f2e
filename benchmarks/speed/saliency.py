"""Seconds of each saliency method for one face: `python -m benchmarks.speed.saliency small 128`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

import torch
import typer

from benchmarks.harness.choices import check_choices
from recognition.explanation import METHODS, attribute
from recognition.explanation.saliency.methods import find_obstacle
from recognition.networks.architectures import NAMES, build


def measure_methods(name: str, size: int, threads: int) -> Iterator[tuple[str, float, float]]:
    """Yield each method that is defined for a network with fresh weights, and wall and processor seconds of a face."""
    torch.set_num_threads(threads)
    network = build(name, 5, size).eval()
    face = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    attribute(network, face, [0], "gradient")  # the first pass prepares kernels
    for method in METHODS:
        if find_obstacle(network, method) is None:
            wall, processor = time.perf_counter(), time.process_time()
            attribute(network, face, [0], method)
            yield method, time.perf_counter() - wall, time.process_time() - processor


def main(
    network: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.")],
    size: Annotated[int, typer.Argument(help="Side of the face in pixels.")],
    threads: int = 2,
) -> None:
    """Print the seconds of each saliency method for one face, and the sum."""
    check_choices("network", [network], NAMES)
    total = [0.0, 0.0]
    for method, *seconds in measure_methods(network, size, threads):
        _print_seconds(method, *seconds)
        total = [before + more for before, more in zip(total, seconds, strict=True)]
    _print_seconds("all methods", *total)


def _print_seconds(method: str, wall: float, processor: float) -> None:
    print(f"{method:30} {wall:8.2f} s, {processor:8.2f} s of processors", flush=True)


if __name__ == "__main__":
    typer.run(main)
