"""The group `gestaltgen classify` and its subcommands."""

from __future__ import annotations

import typer

from gestaltgen.cli.classify.compare import compare
from gestaltgen.cli.classify.dose import dose
from gestaltgen.cli.classify.folds import folds
from gestaltgen.cli.classify.predict import predict
from gestaltgen.cli.classify.presets import presets
from gestaltgen.cli.classify.probe import probe
from gestaltgen.cli.classify.report import report
from gestaltgen.cli.classify.train import train
from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.option_groups import expand_options

app = typer.Typer(
    cls=ReportingGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Train classifiers of conditions on real and synthetic faces, and measure them. No basis for a diagnosis.",
)
app.command()(expand_options(train))
app.command()(expand_options(dose))
app.command()(folds)
app.command()(predict)
app.command()(report)
app.command()(compare)
app.command()(probe)
app.command()(presets)
