"""`make bench`: every benchmark, or those that are named: `python -m benchmarks generator service`."""

from __future__ import annotations

import importlib
import sys

NAMES = ("generator", "training", "phantoms", "service")

for name in sys.argv[1:] or NAMES:
    if name not in NAMES:
        sys.exit(f"unknown benchmark {name!r}; expected some of {', '.join(NAMES)}")
    importlib.import_module(f"benchmarks.{name}").main()
