"""`gestaltgen study heat-maps`: the published comparison of two groups of Tobii's heat maps."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from core.atomic_files import write_file
from core.json_text import to_json_text
from gestaltgen.cli.console import make_console
from studies.gaze.maps.published_maps import CUTS, DRAWS, compare_groups, convert_pictures, read_pictures


class Cut(StrEnum):
    """Published cuts (`studies.gaze.maps.published_maps.CUTS`)."""

    LOW = "low"
    HIGH = "high"


def heat_maps(
    first: Annotated[Path, typer.Argument(help="Folder of PNG heat maps of a group, as Tobii Pro Lab exports them.")],
    second: Annotated[Path, typer.Argument(help="Folder of the other group.")],
    out: Annotated[Path, typer.Option(help="JSON to write.")] = Path("heat-maps.json"),
    cut: Annotated[Cut, typer.Option(help="Grey value above which a place counts: 70 or 110.")] = Cut.LOW,
    seed: Annotated[int, typer.Option(help="Seed of bootstrap and permutations.", min=0)] = 0,
) -> None:
    """Repeat the published comparison of two groups of heat maps, with a permutation test beside it.

    For new studies use `gestaltgen study gaze`, which pairs the pictures of each face.
    """
    one, other = convert_pictures([read_pictures(first), read_pictures(second)])
    overlap = compare_groups(one, other, CUTS[cut.value], seed)
    settings = {"cut": CUTS[cut.value], "draws": DRAWS, "seed": seed, "pictures": [len(one), len(other)]}
    write_file(out, (to_json_text(settings | asdict(overlap)) + "\n").encode())
    make_console(soft_wrap=True).print(
        f"IoU {overlap.iou:.3f}; published rank {overlap.rank:.3f}, p {overlap.p_published:.3f}; "
        f"permutation p {overlap.p:.3f}"
    )
