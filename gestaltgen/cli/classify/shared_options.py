"""Console, and options that several subcommands of `gestaltgen classify` have in common."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import typer

from gestaltgen.cli.console import make_console
from gestaltgen.cli.progress import ConsoleProgress

SERVICE: Final = "http://127.0.0.1:8000"
"""Default of --service."""

TEST_PANEL: Final = "Test"
SYNTHETIC_PANEL: Final = "Synthetic images"
"""Groups of options in the help."""

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
ServiceOption: TypeAlias = Annotated[
    str,
    typer.Option(
        help="Service that makes the images; its key is taken from GESTALTGEN_KEY.", rich_help_panel=SYNTHETIC_PANEL
    ),
]
GeneratorOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Generator of the service; default: its first. With {fold} in the name, as in `fold-{fold}`, each "
        "fold has a generator of its own, see `folds`.",
        rich_help_panel=SYNTHETIC_PANEL,
    ),
]
TruncationOption: TypeAlias = Annotated[
    float | None,
    typer.Option(help="0 is the average face, 1 the full variety; default: 0.6.", rich_help_panel=SYNTHETIC_PANEL),
]
BlendOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="Weight of the first condition in blended images; 0.55 or 0.75 in Duong et al. 2022.",
        rich_help_panel=SYNTHETIC_PANEL,
    ),
]
SetSeedOption: TypeAlias = Annotated[
    int,
    typer.Option(help="Seed of the synthetic persons; another seed, other persons.", rich_help_panel=SYNTHETIC_PANEL),
]
