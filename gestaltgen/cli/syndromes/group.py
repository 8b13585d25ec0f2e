"""The group `gestaltgen syndromes` and its subcommands, whose modules are imported when one runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gestaltgen.cli.lazy_group import LazyCommand, make_group

_HERE: Final = "gestaltgen.cli.syndromes"

COMMANDS: Final[Mapping[str, LazyCommand]] = {
    "assess": LazyCommand(
        f"{_HERE}.assess", "assess", "Ask whether the face on a photograph is evidence for a syndrome."
    ),
    "compare": LazyCommand(
        f"{_HERE}.compare",
        "compare",
        "Compare models that tell patients with a syndrome from matched controls, on your own photographs.",
    ),
    "grouping": LazyCommand(
        f"{_HERE}.grouping",
        "grouping",
        "Ask whether the patients with a syndrome look more like each other than like matched controls.",
    ),
    "train": LazyCommand(
        f"{_HERE}.train", "train", "Train models that tell patients with a syndrome from matched controls."
    ),
}


app = make_group(
    COMMANDS, "Assess whether faces are evidence for one syndrome, compared with matched controls. No diagnosis."
)
