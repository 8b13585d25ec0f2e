"""Console, and options that several subcommands of `gestaltgen classify` have in common."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress

SERVICE: Final = "http://127.0.0.1:8000"
"""Default of --service."""

TEST_PANEL: Final = "Test"

console: Final = make_console(soft_wrap=True)
progress: Final = ConsoleProgress(console)

DeviceOption: TypeAlias = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if there is one.")]
UnknownOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--unknown-training-images",
        help="Measure although it is not known which images the generator was trained on; the report says so.",
        rich_help_panel=TEST_PANEL,
    ),
]
ResamplesOption: TypeAlias = Annotated[
    int, typer.Option(help="Number of bootstrap samples of the persons, for the intervals.")
]
PermutationsOption: TypeAlias = Annotated[
    int, typer.Option(help="Number of sign patterns of the permutation test by person.")
]
SeedOption: TypeAlias = Annotated[int, typer.Option(help="Seed of bootstrap and permutations.")]
