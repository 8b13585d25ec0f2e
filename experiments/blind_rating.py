"""Blind rating: numbered sheets of photographs beside reconstructions and edits that the software admits.

`python -m experiments.blind_rating OUT --inversions FOLDER ... [--edits FOLDER ...]` takes the folders that `gestaltgen
invert` and `gestaltgen edit` wrote, by any methods. It draws pairs of the reconstructions that are good and of the
edits that are not refused, shuffles them, and writes OUT/sheets/ for the readers, OUT/ratings.csv for them to fill in,
and OUT-key.csv, which they must not see.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer

from core.atomic_files import write_file
from core.csv_reports import format_csv
from core.errors import ConfigError
from faces.contact_sheets import contact_sheet
from faces.detect import FaceDetector
from faces.images import Pixels, encode_png, read_image
from inversion.framing import frame_face

SHEET_PAIRS: Final = 8
_COLUMNS: Final = 2
_TILE_PX: Final = 384


@dataclass(frozen=True)
class Pair:
    """Photograph, and what was made of it.

    Attributes:
        photograph: its file.
        kind: "reconstruction" or "edit".
        picture: file of the reconstruction or of the edit; its folder tells the method.
        verdict: on it.
    """

    photograph: Path
    kind: str
    picture: Path
    verdict: str


@dataclass(frozen=True)
class KeyLine:
    """Line of the key: the number of a pair on the sheets, and what it shows."""

    number: int
    kind: str
    photograph: str
    picture: str
    verdict: str


@dataclass(frozen=True)
class RatingLine:
    """Line for a reader to fill in: "yes" or "no", and a remark."""

    number: int
    same_person_and_intact: str = ""
    remark: str = ""


def list_reconstructions(folder: Path) -> Iterator[Pair]:
    """List the good reconstructions in a folder of `gestaltgen invert`."""
    for row in _read_report(folder):
        if row["verdict"] == "good":
            photograph = Path(row["photograph"])
            yield Pair(photograph, "reconstruction", folder / f"{photograph.stem}.png", row["verdict"])


def list_edits(folder: Path) -> Iterator[Pair]:
    """List the edits in a folder of `gestaltgen edit` that are not refused, of faces that are not out of domain."""
    for row in _read_report(folder):
        if row["verdict"] in ("good", "doubtful") and row["inversion"] != "out of domain":
            photograph = Path(row["photograph"])
            yield Pair(photograph, "edit", folder / f"{photograph.stem}-edited.png", row["verdict"])


def draw_pairs(reconstructions: list[Pair], edits: list[Pair], count: int, seed: int) -> list[Pair]:
    """Draw as many reconstructions as edits, as far as there are enough, and shuffle them.

    Raises:
        ConfigError: there is none.
    """
    if not reconstructions and not edits:
        raise ConfigError("no good reconstruction and no edit that is not refused; expected folders with some")
    draws = np.random.default_rng(seed)
    shuffled = [[pairs[place] for place in draws.permutation(len(pairs))] for pairs in (edits, reconstructions)]
    half = max(count // 2, count - len(reconstructions))
    some = shuffled[0][:half]
    some += shuffled[1][: count - len(some)]
    return [some[place] for place in draws.permutation(len(some))]


def main(
    out: Annotated[Path, typer.Argument(help="Folder to write; the key is written beside it.")],
    inversions: Annotated[list[Path], typer.Option(help="Folder of `gestaltgen invert`; repeatable.")],
    edits: Annotated[list[Path] | None, typer.Option(help="Folder of `gestaltgen edit`; repeatable.")] = None,
    count: Annotated[int, typer.Option(help="Number of pairs.")] = 48,
    seed: Annotated[int, typer.Option(help="Seed of the draw and of the order.")] = 0,
) -> None:
    """Write sheets of numbered pairs for a blind rating, and their key."""
    reconstructions = [pair for folder in inversions for pair in list_reconstructions(folder)]
    admitted = [pair for folder in edits or [] for pair in list_edits(folder)]
    pairs = draw_pairs(reconstructions, admitted, count, seed)
    detector = FaceDetector()
    tiles: list[tuple[Pixels, Pixels]] = []
    for pair in pairs:
        picture = read_image(pair.picture)
        tiles.append((frame_face(read_image(pair.photograph), len(picture), detector).face, picture))
    for first in range(0, len(pairs), SHEET_PAIRS):
        chosen = tiles[first : first + SHEET_PAIRS]
        rows = [
            [face for tile in chosen[at : at + _COLUMNS] for face in tile] for at in range(0, len(chosen), _COLUMNS)
        ]
        titles = [", ".join(str(first + at + place + 1) for place in range(len(row) // 2)) for at, row in _count(rows)]
        columns = ["photograph", "picture"] * (len(rows[0]) // 2)
        sheet = contact_sheet(rows, row_titles=titles, column_titles=columns, tile=_TILE_PX)
        write_file(out / "sheets" / f"sheet-{first // SHEET_PAIRS + 1}.png", encode_png(sheet))
    key = [
        KeyLine(number, pair.kind, str(pair.photograph), str(pair.picture), pair.verdict)
        for number, pair in enumerate(pairs, 1)
    ]
    write_file(out / "ratings.csv", format_csv([RatingLine(line.number) for line in key]).encode())
    write_file(out.with_name(f"{out.name}-key.csv"), format_csv(key).encode())
    typer.echo(f"{len(pairs)} of {count} pairs in {out}: {sum(pair.kind == 'edit' for pair in pairs)} edits")


def _count(rows: list[list[Pixels]]) -> Iterator[tuple[int, list[Pixels]]]:
    return ((at * _COLUMNS, row) for at, row in enumerate(rows))


def _read_report(folder: Path) -> list[dict[str, str]]:
    with (folder / "report.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


if __name__ == "__main__":
    typer.run(main)
