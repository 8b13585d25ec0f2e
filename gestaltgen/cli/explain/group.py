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
        "Show which parts of a face a classifier uses: maps, and the relevance of the regions of the face.",
    ),
    "ages": LazyCommand(
        f"{_HERE}.ages",
        "ages",
        "Compare the ages of each condition by composite occlusion maps and a permutation test.",
    ),
    "regions": LazyCommand(
        f"{_HERE}.regions",
        "regions",
        "Test whether the relevance of facial regions differs between affected and unaffected, conditions, or HPO "
        "terms.",
    ),
    "truth": LazyCommand(
        f"{_HERE}.truth",
        "truth",
        "Compare saliency maps of a classifier with what its answers depend on, measured on phantoms.",
    ),
}


app = make_group(
    COMMANDS, "Show which parts of a face a classifier uses, and compare them between faces. No basis for a diagnosis."
)
