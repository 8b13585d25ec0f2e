"""Runs the command line with this interpreter: `python -m gestaltgen …`."""

from gestaltgen.cli.main import app

app()
