"""`make bench`: every speed, or what is named: `python -m benchmarks generator training`."""

from __future__ import annotations

import importlib
import sys

SPEEDS = ("generator", "training", "phantoms", "svm", "service")
MEASUREMENTS = ("smile", "editing")

for name in sys.argv[1:] or SPEEDS:
    if name not in SPEEDS + MEASUREMENTS:
        sys.exit(f"unknown benchmark {name!r}; expected some of {', '.join(SPEEDS + MEASUREMENTS)}")
    importlib.import_module(f"benchmarks.{name}").main()
