"""The command line: `gestaltgen …`."""

from __future__ import annotations

import typer

from gestaltgen import audit_cli, classify, dataset_cli, keys_cli, oracle_cli, tenants_cli, weights_cli
from gestaltgen.backup import backup
from gestaltgen.demo import demo
from gestaltgen.edit import edit
from gestaltgen.evaluate import evaluate
from gestaltgen.evaluate_inversion import evaluate_inversion
from gestaltgen.fit_direction import fit_direction
from gestaltgen.generate import generate
from gestaltgen.invert import invert
from gestaltgen.refusals import Refusing
from gestaltgen.serve import serve
from gestaltgen.stimuli import stimuli
from gestaltgen.train import train
from gestaltgen.train_inverter import train_encoder, train_inversion

app = typer.Typer(
    cls=Refusing,
    help="Synthetic face images for medical genetics: of people who do not exist, and no basis for a diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dataset_cli.app, name="dataset")
app.add_typer(oracle_cli.app, name="oracle")
app.add_typer(weights_cli.app, name="weights")
app.add_typer(keys_cli.app, name="keys")
app.add_typer(tenants_cli.app, name="tenants")
app.add_typer(audit_cli.app, name="audit")
app.add_typer(classify.app, name="classify")
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
