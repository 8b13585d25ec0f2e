"""`gestaltgen study gaze`: eye tracking, by areas of interest and heat maps."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from studies.answers.key import read_answer_key
from studies.gaze.areas import find_side, read_areas
from studies.gaze.gaze_data import ReadingOptions
from studies.gaze.gaze_study import GazeOptions, GazeResults, analyse_gaze, write_results
from studies.gaze.maps.heat_maps import Smoothing
from studies.gaze.maps.saliency_files import read_saliency
from studies.gaze.recordings.column_map import read_column_map
from studies.gaze.recordings.samples import PicturePlace
from studies.report.number_formats import format_p


class TimeUnit(StrEnum):
    """Units of time stamps (`studies.gaze.recordings.tobii`)."""

    MILLISECONDS = "ms"
    MICROSECONDS = "us"


def gaze(
    files: Annotated[
        list[Path],
        typer.Argument(help="Gaze data or AOI metrics that Tobii Pro Lab exports as TSV, or tables for --column-map."),
    ],
    *,
    key: Annotated[Path, typer.Option(help="Key of the study: its file or folder.")],
    areas: Annotated[
        Path | None,
        typer.Option(help="Areas of interest: areas.csv, or its folder. Not needed for AOI metrics alone."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("gaze"),
    column_map: Annotated[
        Path | None, typer.Option(help="JSON that names the columns of a table of another program.")
    ] = None,
    time_unit: Annotated[
        TimeUnit | None, typer.Option(help="Unit of Tobii's time stamps, if the header does not state it.")
    ] = None,
    place: Annotated[
        str | None,
        typer.Option(
            help="LEFT,TOP,WIDTH,HEIGHT of the pictures on the screen in its pixels, if the file does not state it."
        ),
    ] = None,
    picture_side: Annotated[
        float | None, typer.Option(help="Width and height of the pictures in pixels, if areas.csv does not state it.")
    ] = None,
    px_per_degree: Annotated[
        float | None, typer.Option(help="Pixels of the picture in one degree of visual angle.", min=0)
    ] = None,
    sigma: Annotated[
        str | None,
        typer.Option(help="Standard deviation of heat maps: 8px or 0.5deg; default: a 32nd of the picture's side."),
    ] = None,
    saliency: Annotated[
        Path | None,
        typer.Option(
            help="Folder of saliency maps, .npy or grey .png, named by the codes of the images; or of `explain faces`."
        ),
    ] = None,
    saliency_method: Annotated[str, typer.Option(help="Method of `explain faces` to compare with.")] = "gradcam",
    least_tracked: Annotated[
        float, typer.Option(help="Leave out views with a smaller share of tracked samples.", min=0, max=1)
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of permutations.", min=0)] = 0,
) -> None:
    """Measure where participants look, and compare edited with reconstructed pictures.

    Writes gaze.json and maps.npz, which `gestaltgen study report --gaze` reads and which show no single person, and
    views.csv with a line for each participant, image and area.

    Example: gestaltgen study gaze export.tsv --key study/key --areas study/tobii --out gaze
    """
    console = make_console(soft_wrap=True)
    rectangles = read_areas(areas) if areas is not None else []
    side = picture_side or (find_side(rectangles) if rectangles else None)
    reading = ReadingOptions(
        column_map=None if column_map is None else read_column_map(column_map),
        time_unit=None if time_unit is None else time_unit.value,
        place=None if place is None else parse_place(place, side),
        pixels_per_degree=px_per_degree,
        least_tracked=least_tracked,
    )
    smoothing = None if sigma is None else parse_sigma(sigma, px_per_degree)
    maps = None if saliency is None else read_saliency(saliency, saliency_method)
    with console.status("analysing gaze"):
        results = analyse_gaze(
            files, read_answer_key(key), rectangles, GazeOptions(reading, side, smoothing, seed), maps
        )
    write_results(out, results)
    console.print(make_table(results))
    for reason, count in results.excluded.items():
        console.print(f"left out: {count} views: {reason}", markup=False)
    for problem in results.problems:
        console.print(problem, markup=False)
    console.print(
        f"{results.views} views of {results.images} images by {results.participants} participants in {out}",
        markup=False,
    )


def parse_place(text: str, side: float | None) -> PicturePlace:
    """Parse LEFT,TOP,WIDTH,HEIGHT."""
    try:
        left, top, width, height = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--place {text!r}; expected four numbers, LEFT,TOP,WIDTH,HEIGHT") from None
    if side is None:
        raise ConfigError("--place needs the size of the pictures; state it with --picture-side")
    return PicturePlace(left, top, width, height, side, side)


def parse_sigma(text: str, pixels_per_degree: float | None) -> Smoothing:
    """Parse a standard deviation in pixels or degrees."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(px|deg)", text)
    if match is None:
        raise ConfigError(f"--sigma {text!r}; expected a number with its unit, as 8px or 0.5deg")
    return Smoothing(float(match[1]), match[2], pixels_per_degree)


def make_table(results: GazeResults) -> Table:
    """Make a table of the differences in dwell time over all conditions."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in (
        "area",
        "dwell edited, ms",
        "reconstructed",
        "difference (95 %)",
        "p",
        "p, participants",
        "p, published",
    ):
        table.add_column(name, justify="left" if name == "area" else "right")
    for row in results.differences:
        if row.measure == "dwell_ms" and not row.condition:
            table.add_row(
                row.area,
                f"{row.edited:.0f}",
                f"{row.reconstructed:.0f}",
                f"{row.difference:.0f} ({row.low:.0f} to {row.high:.0f})",
                *map(format_p, (row.p_crossed, row.p, row.p_published)),
            )
    return table
