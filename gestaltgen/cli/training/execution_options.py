"""Options about how a training run is executed, which every command that trains networks has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
import typer

from gestaltgen.cli.options import choose_device, set_threads


@dataclass(frozen=True)
class ExecutionOptions:
    """Options about the machine, and about a run that is there already."""

    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if there is one.")] = "auto"
    threads: Annotated[
        int | None,
        typer.Option(
            help="CPU threads. To use two cores, two runs with one thread each are faster than one run with two."
        ),
    ] = None
    change: Annotated[bool, typer.Option("--change", help="Resume a run although its recipe or data differ.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and stop.")] = False

    def apply(self) -> torch.device:
        """Set the number of CPU threads of this process, and return the device to train on."""
        set_threads(self.threads)
        return choose_device(self.device)
