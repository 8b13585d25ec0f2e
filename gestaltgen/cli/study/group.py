"""The group `gestaltgen study` and its subcommands, whose modules are imported when one runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gestaltgen.cli.lazy_group import LazyCommand, make_group

_HERE: Final = "gestaltgen.cli.study"

COMMANDS: Final[Mapping[str, LazyCommand]] = {
    "plan": LazyCommand(
        f"{_HERE}.plan",
        "plan",
        "Estimate how many participants a comparison of two variants needs, and write its pre-registration sheet.",
    ),
    "analyse": LazyCommand(
        f"{_HERE}.analyse", "analyse", "Measure accuracy, the difference between variants, confidence and agreement."
    ),
    "export": LazyCommand(
        f"{_HERE}.export",
        "export",
        "Export pictures to the tools of a study, with blinded names, and with the answer key in a folder of its own.",
    ),
    "gaze": LazyCommand(
        f"{_HERE}.gaze", "gaze", "Measure where participants look, and compare edited with reconstructed pictures."
    ),
    "heat-maps": LazyCommand(
        f"{_HERE}.heat_maps",
        "heat_maps",
        "Repeat the published comparison of two groups of heat maps, with a permutation test beside it.",
    ),
    "import": LazyCommand(
        f"{_HERE}.import_answers",
        "import_answers",
        "Join the answers of a survey program to the key, and count what is left out.",
    ),
    "import-ratings": LazyCommand(
        f"{_HERE}.import_ratings",
        "import_ratings",
        "Join rating sheets of several clinicians, with HPO terms present or absent, to the key.",
    ),
    "report": LazyCommand(
        f"{_HERE}.report",
        "report",
        "Write a page about a study, with tables, plots, a methods paragraph, and all numbers as JSON.",
    ),
    "simulate": LazyCommand(f"{_HERE}.simulate", "simulate", "Simulate participants who answer a survey."),
    "simulate-gaze": LazyCommand(
        f"{_HERE}.simulate_gaze",
        "simulate",
        "Simulate participants who look at the pictures of a study, with a known effect, for tests and teaching.",
    ),
}


app = make_group(COMMANDS, "Plan, export and analyse studies of how people judge faces. No basis for a diagnosis.")
