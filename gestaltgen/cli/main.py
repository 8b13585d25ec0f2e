"""The command line: `gestaltgen …`.

A command's module is imported only when the command runs or its own `--help` is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, Final

import typer

from gestaltgen.cli.error_messages import ReportingGroup
from gestaltgen.cli.lazy_group import LazyCommand, LazyGroup

_CLI: Final = "gestaltgen.cli"

# In the order in which a person comes to need them.
_COMMANDS_BY_PANEL: Final[Mapping[str, Mapping[str, LazyCommand]]] = {
    "Try it": {
        "demo": LazyCommand(
            f"{_CLI}.service.demo",
            "demo",
            "Start the service, ask for an image set of each kind over HTTP, check every image, and store them.",
        ),
        "studio": LazyCommand(
            f"{_CLI}.service.studio",
            "studio",
            "Start the service on this machine, and open its web pages, the studio, in the browser.",
        ),
    },
    "Make and edit images": {
        "generate": LazyCommand(
            f"{_CLI}.images.generate",
            "generate",
            "Make an image set in a folder: images, manifest, WebDataset shards, a contact sheet and metadata.",
        ),
        "phenotypes": LazyCommand(
            f"{_CLI}.images.phenotypes",
            "app",
            "List the facial HPO terms of a condition, or those that phantoms can show.",
        ),
        "invert": LazyCommand(
            f"{_CLI}.images.invert",
            "invert",
            "Find the latent, and the changes of the generator's kernels, that reproduce the face on each photograph.",
        ),
        "edit": LazyCommand(
            f"{_CLI}.images.edit", "edit", "Change the expression on photographs, and as little else as possible."
        ),
        "stimuli": LazyCommand(
            f"{_CLI}.images.stimuli",
            "stimuli",
            "Make two versions of a survey: a person who is shown as reconstructed in one is shown as edited in the "
            "other.",
        ),
    },
    "Make data sets and train generators": {
        "dataset": LazyCommand(f"{_CLI}.training.dataset", "app", "Make labelled data sets and look into them."),
        "train": LazyCommand(
            f"{_CLI}.training.train",
            "train",
            "Train a conditional StyleGAN2-ADA; the same command resumes a run that was stopped or killed.",
        ),
        "evaluate": LazyCommand(
            f"{_CLI}.training.evaluate",
            "evaluate",
            "Measure a generator: conditions, ages, identity, blends, variety, copies and distances to real images.",
        ),
        "weights": LazyCommand(f"{_CLI}.training.weights", "app", "Import, show, audit, calibrate and export weights."),
        "models": LazyCommand(
            f"{_CLI}.training.models",
            "app",
            "Check models: a generator with its inverter, directions and discriminator.",
        ),
        "oracle": LazyCommand(
            f"{_CLI}.training.oracle",
            "app",
            "Train and test the networks that read a phantom's condition, age, smile, identity and landmarks from "
            "its picture.",
        ),
    },
    "Train what inverts and edits photographs": {
        "train-encoder": LazyCommand(
            f"{_CLI}.training.train_inverter",
            "train_encoder",
            "Train the encoder of an inverter, which maps a face to the generator's latent.",
        ),
        "train-inversion": LazyCommand(
            f"{_CLI}.training.train_inverter",
            "train_inversion",
            "Train the hypernetwork of an inverter (HyperStyle); its encoder stays as it is.",
        ),
        "evaluate-inversion": LazyCommand(
            f"{_CLI}.training.evaluate_inversion",
            "evaluate_inversion",
            "Measure an inverter: encoder alone, 1 to PASSES passes, and optimisation, on the same held-out faces.",
        ),
        "fit-direction": LazyCommand(
            f"{_CLI}.training.fit_direction",
            "fit_direction",
            "Fit the directions along which the faces of a generator smile or age, and measure how far to trust them.",
        ),
        "directions": LazyCommand(f"{_CLI}.training.directions", "app", "Import and measure directions."),
    },
    "Train and examine classifiers": {
        "classify": LazyCommand(
            f"{_CLI}.classify.group",
            "app",
            "Train classifiers of conditions on real and synthetic faces, and measure them.",
        ),
        "explain": LazyCommand(
            f"{_CLI}.explain.group",
            "app",
            "Show which parts of a face a classifier uses, and compare them between faces.",
        ),
        "syndromes": LazyCommand(
            f"{_CLI}.syndromes.group",
            "app",
            "Assess whether faces are evidence for one syndrome, compared with matched controls.",
        ),
    },
    "Run studies with people": {
        "study": LazyCommand(
            f"{_CLI}.study.group", "app", "Plan, export and analyse studies of how people judge faces."
        ),
    },
    "Run and administer the service": {
        "serve": LazyCommand(f"{_CLI}.service.serve", "serve", "Serve image sets and edits over REST."),
        "keys": LazyCommand(
            f"{_CLI}.service.keys",
            "app",
            "Make, list and revoke the API keys of the service; they are stored hashed, and shown once.",
        ),
        "tenants": LazyCommand(f"{_CLI}.service.tenants", "app", "Set and show the limits of each owner of keys."),
        "audit": LazyCommand(
            f"{_CLI}.service.audit",
            "app",
            "Show and verify the audit record: each access to a photograph and each erasure, in a chain that shows "
            "changes.",
        ),
        "backup": LazyCommand(
            f"{_CLI}.service.backup", "backup", "Copy the state folder of the service, which may run meanwhile."
        ),
    },
}

COMMANDS: Final[Mapping[str, LazyCommand]] = {
    name: replace(command, panel=panel)
    for panel, commands in _COMMANDS_BY_PANEL.items()
    for name, command in commands.items()
}
"""Every command with the line that `gestaltgen --help` shows for it: the first sentence of the command's own help."""


class _Commands(ReportingGroup, LazyGroup):
    table = COMMANDS


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def show_version(wanted: bool) -> None:
    """Print the version and exit, if the option is given."""
    if wanted:
        typer.echo(f"gestaltgen {version('gestaltgen')}")
        raise typer.Exit


@app.callback()
def describe(
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Synthetic face images for medical genetics: of people who do not exist, and no basis for a diagnosis."""
