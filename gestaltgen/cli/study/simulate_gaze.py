"""`gestaltgen study simulate-gaze`: simulated participants who look at the pictures of a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigError
from gestaltgen.cli.console import make_console
from studies.answers.key import read_answer_key
from studies.gaze.areas import MOUTH, find_side, read_areas
from studies.gaze.simulated_gaze import GazeEffects, simulate_gaze, write_tobii

_DEFAULT = GazeEffects()


def simulate(
    *,
    key: Annotated[Path, typer.Option(help="Key of the study: its file or folder.")],
    areas: Annotated[Path, typer.Option(help="Areas of interest: areas.csv, or its folder.")],
    out: Annotated[Path, typer.Option(help="TSV to write, as Tobii Pro Lab exports gaze data.")] = Path("gaze.tsv"),
    participants: Annotated[int, typer.Option(help="Number of participants.", min=1)] = 10,
    area: Annotated[str, typer.Option(help="Area that draws more or fewer looks in edited pictures.")] = MOUTH,
    effect: Annotated[float, typer.Option(help="Change of the area's log odds in edited pictures.")] = _DEFAULT.effect,
    participant_slope_sd: Annotated[
        float, typer.Option(help="Standard deviation of the effect between participants.", min=0)
    ] = _DEFAULT.participant_slope_sd,
    face_slope_sd: Annotated[
        float, typer.Option(help="Standard deviation of the effect between faces.", min=0)
    ] = _DEFAULT.face_slope_sd,
    picture_side: Annotated[
        float | None, typer.Option(help="Width and height of the pictures in pixels, if areas.csv does not state it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same gaze.", min=0)] = 0,
) -> None:
    """Simulate participants who look at the pictures of a study, with a known effect, for tests and teaching.

    Each participant sees one version, each picture for 7 s at 120 Hz.

    Example: gestaltgen study simulate-gaze --key study/key --areas study/tobii --effect 0.5 --out gaze.tsv
    """
    rectangles = read_areas(areas)
    side = picture_side or find_side(rectangles)
    if side is None:
        raise ConfigError(f"{areas} does not state the size of the pictures; state it with --picture-side")
    effects = GazeEffects(
        area=area, effect=effect, participant_slope_sd=participant_slope_sd, face_slope_sd=face_slope_sd
    )
    samples = simulate_gaze(read_answer_key(key), rectangles, participants, side, seed, effects)
    write_tobii(out, samples)
    make_console(soft_wrap=True).print(f"{len(samples.x)} samples of {participants} simulated participants in {out}")
