"""`make bench`: every speed, or what is named: `python -m benchmarks generator training`.

The service has options, after its name: `python -m benchmarks service --part throughput`; `--help` lists them.
"""

from __future__ import annotations

import importlib
import itertools
import sys

SPEEDS = ("generator", "training", "phantoms", "svm", "service")
MEASUREMENTS = ("smile", "editing")

names = list(itertools.takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
options = sys.argv[1 + len(names) :]
if options and names != ["service"]:
    sys.exit(f"{options[0]}: only `python -m benchmarks service` has options")
for name in names or SPEEDS:
    if name not in SPEEDS + MEASUREMENTS:
        sys.exit(f"unknown benchmark {name!r}; expected some of {', '.join(SPEEDS + MEASUREMENTS)}")
    main = importlib.import_module(f"benchmarks.{name}").main
    main(options) if name == "service" else main()
