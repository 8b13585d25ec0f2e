"""The command line: `gestaltgen …`."""

from __future__ import annotations

import typer

from gestaltgen.cli.classify import commands
from gestaltgen.cli.error_messages import Refusing
from gestaltgen.cli.images.edit import edit
from gestaltgen.cli.images.generate import generate
from gestaltgen.cli.images.invert import invert
from gestaltgen.cli.images.stimuli import stimuli
from gestaltgen.cli.service import audit, keys, tenants
from gestaltgen.cli.service.backup import backup
from gestaltgen.cli.service.demo import demo
from gestaltgen.cli.service.serve import serve
from gestaltgen.cli.training import dataset, oracle, weights
from gestaltgen.cli.training.evaluate import evaluate
from gestaltgen.cli.training.evaluate_inversion import evaluate_inversion
from gestaltgen.cli.training.fit_direction import fit_direction
from gestaltgen.cli.training.train import train
from gestaltgen.cli.training.train_inverter import train_encoder, train_inversion

app = typer.Typer(
    cls=Refusing,
    help="Synthetic face images for medical genetics: of people who do not exist, and no basis for a diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dataset.app, name="dataset")
app.add_typer(oracle.app, name="oracle")
app.add_typer(weights.app, name="weights")
app.add_typer(keys.app, name="keys")
app.add_typer(tenants.app, name="tenants")
app.add_typer(audit.app, name="audit")
app.add_typer(commands.app, name="classify")
app.command()(generate)
app.command()(train)
app.command()(train_encoder)
app.command()(train_inversion)
app.command()(evaluate)
app.command()(invert)
app.command()(evaluate_inversion)
app.command()(fit_direction)
app.command()(edit)
app.command()(stimuli)
app.command()(serve)
app.command()(backup)
app.command()(demo)
