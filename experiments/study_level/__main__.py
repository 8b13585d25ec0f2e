"""`python -m experiments.study_level`: how often the tests of two variants reject, and their intervals cover."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from core.atomic_files import write_file
from core.json_text import to_json_text
from experiments.processes import run_app
from experiments.study_level.scenarios import SCENARIOS, Outcome, simulate_outcome
from experiments.study_level.summary import format_table, summarise

_AT_ONCE: Final = 50
"""Studies between two savings."""

_console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False)


@app.command()
def study_level(
    out: Annotated[Path, typer.Option(help="Folder of the experiment, which is continued.")] = Path("runs/study_level"),
    studies: Annotated[int, typer.Option(help="Simulated studies of each scenario.", min=1)] = 2000,
) -> None:
    """How often does the recommended test of two variants reject, and its interval cover, and the published test?

    OUT/outcomes.json has the figures of each simulated study, OUT/results.json and OUT/table.md their summary.
    """
    path = out / "outcomes.json"
    outcomes = [Outcome(**line) for line in json.loads(path.read_text())] if path.exists() else []
    done = {(outcome.scenario, outcome.number) for outcome in outcomes}
    # Scenario after scenario for each number, so that a run that is stopped has as many studies of each.
    wanted = [(scenario, number) for number in range(studies) for scenario in SCENARIOS]
    left = [place for place in wanted if place not in done]
    for start in range(0, len(left), _AT_ONCE):
        outcomes += [simulate_outcome(*place) for place in left[start : start + _AT_ONCE]]
        write_file(path, to_json_text([asdict(outcome) for outcome in outcomes], indent=None).encode())
        _console.print(f"{len(outcomes)} of {len(wanted)} studies")
    summaries = summarise(outcomes)
    write_file(out / "results.json", to_json_text([asdict(summary) for summary in summaries]).encode())
    table = format_table(summaries)
    write_file(out / "table.md", table.encode())
    _console.print(table, markup=False)


if __name__ == "__main__":
    run_app(app)
