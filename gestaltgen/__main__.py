"""`python -m gestaltgen …`: the command line, where the interpreter is to be this one."""

from gestaltgen.cli.main import app

app()
