"""Seconds of each saliency method for one face: `python -m benchmarks.speed.saliency small 128`."""

from __future__ import annotations

import argparse
import time

import torch

from recognition.explanation import METHODS, attribute
from recognition.explanation.saliency.methods import find_obstacle
from recognition.networks.architectures import NAMES, build


def measure_methods(name: str, size: int, threads: int) -> dict[str, tuple[float, float]]:
    """Measure each method that is defined for a network with fresh weights: wall and processor seconds of one face."""
    torch.set_num_threads(threads)
    network = build(name, 5, size).eval()
    face = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    attribute(network, face, [0], "gradient")  # the first pass prepares kernels
    seconds = {}
    for method in METHODS:
        if find_obstacle(network, method) is None:
            wall, processor = time.perf_counter(), time.process_time()
            attribute(network, face, [0], method)
            seconds[method] = (time.perf_counter() - wall, time.process_time() - processor)
    return seconds


def main() -> None:
    """Print a line for each method, and the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NAMES)
    parser.add_argument("size", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    seconds = measure_methods(options.network, options.size, options.threads)
    seconds["all methods"] = tuple(map(sum, zip(*seconds.values(), strict=True)))  # type: ignore[assignment]
    for method, (wall, processor) in seconds.items():
        print(f"{method:30} {wall:8.2f} s, {processor:8.2f} s of processors")


if __name__ == "__main__":
    main()
