"""The group `gestaltgen explain` and its subcommands, whose modules are imported when one runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gestaltgen.cli.lazy_group import LazyCommand, make_group

_HERE: Final = "gestaltgen.cli.explain"

COMMANDS: Final[Mapping[str, LazyCommand]] = {
    "faces": LazyCommand(
        f"{_HERE}.faces",
        "faces",
        "Show what a classifier goes by: maps of faces, and the relevance of the regions of the face.",
    ),
    "ages": LazyCommand(
        f"{_HERE}.ages",
        "ages",
        "Compare the ages of each condition by composite occlusion maps and a permutation test.",
    ),
    "regions": LazyCommand(
        f"{_HERE}.regions",
        "regions",
        "Ask what the relevance of facial regions goes with: affected or not, conditions, HPO terms.",
    ),
    "truth": LazyCommand(
        f"{_HERE}.truth",
        "truth",
        "Compare saliency maps of a classifier with what its answers depend on, measured on phantoms.",
    ),
}


app = make_group(
    COMMANDS, "Show which part of a face a classifier goes by, and ask what that depends on. No basis for a diagnosis."
)
