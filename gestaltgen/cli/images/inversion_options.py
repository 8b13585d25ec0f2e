"""Options that every command has that inverts photographs on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer

from editing.face_editor import FaceEditor
from editing.latent_editor import Applied
from faces.landmark_table import LandmarkTable, read_landmark_table
from gestaltgen.cli.options import PrecisionOption, ThreadsOption
from inversion.methods import InversionMethod, Method

_INVERSION: Final = "Inversion"

LocalOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        help="After pivotal tuning, move the smile in the direction's own layers, change only the region of the "
        "expression, and stop before the face is distorted."
    ),
]

ApplyOption: TypeAlias = Annotated[
    Applied | None,
    typer.Option(
        help="How a smile is reached: warp moves the pixels of the reconstruction (after pivotal tuning, if the "
        "generator has an expression model), latent generates the face from a moved latent. Default: warp where it is "
        "possible."
    ),
]

UNJUDGED_HINT: Final = (
    "unjudged: no limits are known by which a reconstruction could be good or doubtful. Measure them "
    "on 20 or more photographs of your own: `gestaltgen evaluate-inversion INVERTER --data HELD_OUT.zip "
    "--write-limits`, or of pivotal tuning without INVERTER"
)


@dataclass(frozen=True)
class InversionOptions:
    """Options about the networks that invert, and about the photographs."""

    inverter: Annotated[
        Path | None,
        typer.Option(help="Trained inverter. Default: the shipped one, if any.", rich_help_panel=_INVERSION),
    ] = None
    generator: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the generator. Default: the shipped one.", rich_help_panel=_INVERSION),
    ] = None
    method: Annotated[
        Method | None,
        typer.Option(
            help="Method of inversion; w, w+ and pti are slow, in float32. Default of `invert`: hyperstyle with an "
            "inverter, else pti. Default of `edit` and `stimuli`: pti for photographs, as `invert` for phantoms.",
            rich_help_panel=_INVERSION,
        ),
    ] = None
    steps: Annotated[
        int | None,
        typer.Option(
            help="Number of steps in each part of an optimisation. Default: 220 for pti, and "
            "before them 80 to find its pivot if there is no inverter; 300 for w and w+.",
            min=1,
            rich_help_panel=_INVERSION,
        ),
    ] = None
    seconds: Annotated[
        float | None,
        typer.Option(help="Time limit for each part of an optimisation.", rich_help_panel=_INVERSION),
    ] = None
    aligned: Annotated[
        bool,
        typer.Option(
            "--aligned",
            help="The photographs are aligned squares already, as in a data set.",
            rich_help_panel=_INVERSION,
        ),
    ] = False
    landmarks: Annotated[
        Path | None,
        typer.Option(
            help="CSV table of landmarks that were set by hand, for faces that are missed or misplaced: the column "
            "file, and left_eye_x, left_eye_y, right_eye_x, right_eye_y, mouth_left_x, mouth_left_y, mouth_right_x, "
            "mouth_right_y (left as seen), or x0, y0 to x67, y67.",
            rich_help_panel=_INVERSION,
        ),
    ] = None
    precision: PrecisionOption = "auto"
    threads: ThreadsOption = None

    def read_landmarks(self) -> LandmarkTable | None:
        """Read the table of landmarks; None if none is given. Raises as `read_landmark_table`."""
        return None if self.landmarks is None else read_landmark_table(self.landmarks)

    def build_method(self, face_editor: FaceEditor, *, exact: bool = False, passes: int = 5) -> InversionMethod:
        """Build the method of inversion that is asked for; arguments and errors as `FaceEditor.invert_by`."""
        return face_editor.invert_by(
            self.method,
            exact=exact,
            passes=passes,
            steps=self.steps,
            seconds=self.seconds,
            precision=self.precision,
        )
