"""`python -m experiments.blends`: what blends of two conditions show, against what their labels say."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import torch
import typer
from rich.console import Console

import weights
from core import tensor_files
from core.atomic_files import write_file
from core.errors import ConfigError
from core.json_text import to_json_text
from experiments.blends.faces import WAYS, BlendedPerson, choose_renderer, list_persons
from experiments.blends.readings import NAMES, BlendReadings, format_tables, plot_shares, read_blends
from experiments.processes import run_app
from faces.contact_sheets import contact_sheet
from faces.image_set_request import DEFAULT_TRUNCATION
from faces.images import encode_png
from faces.oracle.attribute_network import load as load_oracle
from gen import checkpoint
from gen.inference.generator import InferenceGenerator
from gen.labels import Vocabulary

SHARES: Final = (0.0, 0.125, 0.25, 0.375, 0.45, 0.5, 0.55, 0.625, 0.75, 0.875, 1.0)
_SHOWN: Final = ("WS", "22q11DS")

_console = Console(highlight=False, soft_wrap=True)
app = typer.Typer(add_completion=False)


@app.command()
def blends(
    out: Annotated[Path, typer.Option(help="Folder of the experiment, which is continued.")] = Path("runs/blends"),
    persons: Annotated[int, typer.Option(help="Persons of each pair of conditions and age.", min=2)] = 4,
    truncation: Annotated[float, typer.Option(help="Truncation of the generator.", min=0, max=1)] = DEFAULT_TRUNCATION,
    generator: Annotated[Path | None, typer.Option(help="Checkpoint; unset takes the shipped one.")] = None,
) -> None:
    """Does a blend show as much of each condition as its label says, by the embedding and in W?

    The oracle reads blends of a generator, and drawings whose traits lie between those of two phantoms. OUT/table.md
    has the shares read and the errors of the labels, OUT/shares.png their plot, OUT/faces.png some of the faces.
    """
    torch.set_num_threads(1)
    path = generator or weights.default()
    network = checkpoint.load_for_inference(path, threads=1)
    vocabulary = network.config.vocabulary
    oracle, _ = load_oracle(weights.oracle())
    if vocabulary is None or not set(vocabulary.conditions) <= set(oracle.config.conditions):
        raise ConfigError(f"{path} knows other conditions than the oracle; expected some of {oracle.config.conditions}")
    people = list_persons(vocabulary, persons)
    settings = {"persons": persons, "truncation": truncation, "weights": tensor_files.sha256(path)}
    readings = _read_stored(out / "readings.json", settings)
    stored = {(one.way, one.share) for one in readings}
    for share, way in ((share, way) for share in SHARES for way in WAYS if (way, share) not in stored):
        images = choose_renderer(way, network, vocabulary, truncation)(people, share)
        readings.append(read_blends(oracle, way, share, people, images))
        write_file(
            out / "readings.json", to_json_text({**settings, "readings": [asdict(one) for one in readings]}).encode()
        )
        _console.print(f"{len(readings)} of {len(SHARES) * len(WAYS)}: {NAMES[way]} at {share:g}")
    table = format_tables(readings, people)
    write_file(out / "table.md", table.encode())
    write_file(out / "shares.png", plot_shares(readings))
    write_file(out / "faces.png", _draw_sheet(network, vocabulary, people, truncation))
    _console.print(table, markup=False)


def _read_stored(path: Path, settings: dict[str, Any]) -> list[BlendReadings]:
    """Read what an earlier call has measured.

    Raises:
        ConfigError: with other settings.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        return []
    stored = json.loads(path.read_text())
    readings = [BlendReadings(**one) for one in stored.pop("readings")]
    if stored != settings:
        raise ConfigError(f"{path} was measured with {stored}; expected {settings}: take another --out")
    return readings


def _draw_sheet(
    generator: InferenceGenerator, vocabulary: Vocabulary, people: list[BlendedPerson], truncation: float
) -> bytes:
    """Draw a PNG of one adult at each share, with a row for each way."""
    person = next(
        (one for one in people if {one.first, one.second} == set(_SHOWN) and one.age.name == "young_adult"), people[0]
    )
    rows = []
    for way in WAYS:
        render = choose_renderer(way, generator, vocabulary, truncation)
        rows.append(list(np.concatenate([render([person], share) for share in SHARES])))
    return encode_png(
        contact_sheet(
            rows,
            row_titles=[NAMES[way] for way in WAYS],
            column_titles=[f"{share:g}" for share in SHARES],
            title=f"Share of {person.first}, the rest {person.second}",
            footer="Drawings of nobody, and synthetic images learnt from such; no basis for a diagnosis.",
            tile=96,
        )
    )


if __name__ == "__main__":
    run_app(app)
