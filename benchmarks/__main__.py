"""`make bench`: every speed, or what is named: `python -m benchmarks generator conditioning`."""

from __future__ import annotations

import importlib
import sys

SPEEDS = ("generator", "training", "phantoms", "service")
NAMES = (*SPEEDS, "conditioning")

for name in sys.argv[1:] or SPEEDS:
    if name not in NAMES:
        sys.exit(f"unknown benchmark {name!r}; expected some of {', '.join(NAMES)}")
    importlib.import_module(f"benchmarks.{name}").main()
