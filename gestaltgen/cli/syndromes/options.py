"""Options that the commands about groups of patients have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

DatasetArgument: TypeAlias = Annotated[
    Path,
    typer.Argument(
        help="Data set, a folder or a zip, with the columns condition, person, sex, ancestry and age_years; "
        "`gestaltgen dataset prepare` makes one of photographs."
    ),
]
ControlOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Condition of the controls, may be given several times; default: other, unaffected."),
]
AncestryOption: TypeAlias = Annotated[bool, typer.Option(help="Match by ancestry too.")]
PermutationsOption: TypeAlias = Annotated[int, typer.Option(help="Random labellings of a test.", min=1)]
FlatOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--flat",
        help="Use the 68 landmarks of the picture as points of the face, without fitting a head in three dimensions.",
    ),
]
DescriptorOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="Network that describes faces: ArcFace as .onnx, or VGGFace2 weights as .safetensors; default: dlib's."
    ),
]
SeedOption: TypeAlias = Annotated[int, typer.Option(help="Seed of all that is drawn.", min=0)]
