"""`gestaltgen fit-direction`: directions of smile and age for a generator, from faces that it makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.table import Table
from torch import Tensor

from core.errors import ConfigError
from editing import direction_file
from editing.condition_directions import ByCondition, fit_by_condition
from editing.direction_file import Directions
from editing.directions import Direction, fit, remeasured
from editing.entanglement import Moves, entanglement, people_apart, read_latents
from editing.face_readers import AGE, SMILE, Read, face_reader
from editing.latent_region import Region, sample_latents
from editing.patterns import patterns
from editing.svm import Flags
from faces.detect import FaceDetector
from faces.measures.descriptors import FaceDescriber
from faces.measures.distances import Features
from gen import checkpoint
from gen.checkpoint import fingerprint
from gen.networks import Generator
from gestaltgen.cli.console import make_console
from gestaltgen.cli.options import files_of
from gestaltgen.cli.progress import stepping_bar

SEED: Final = 801
"""Of the latents to fit on."""

CLEAR: Final = {SMILE: (0.25, 0.75), AGE: (10.0, 35.0)}
"""Examples without and with: below the first and above the second."""

STEADY_C: Final = 0.01
"""Of the SVMs: what is read from faces errs, and with the published 1 a direction follows the errors: two fits on
disjoint halves then differ more, and tell fewer unseen faces apart (weights/phantom128-directions.md)."""

HELD_OUT: Final = 5
"""One face in so many is not fitted on, but measured on."""

_console = make_console()


def fit_direction(
    attributes: Annotated[list[str] | None, typer.Argument(help="smile, age; unset: what can be read.")] = None,
    out: Annotated[Path, typer.Option(help="File for the directions.")] = Path("directions.safetensors"),
    generator: Annotated[Path | None, typer.Option(help="Checkpoint; unset takes the shipped one.")] = None,
    count: Annotated[int, typer.Option(help="Faces to make and read.", min=200)] = 20_000,
    tried: Annotated[int, typer.Option(help="People to try the directions on, for the table.", min=20)] = 200,
    seed: Annotated[int, typer.Option(help="Of the faces and of the cross-validation.")] = SEED,
    licence: Annotated[str, typer.Option(help="Of the directions, stored with them.")] = "Apache-2.0",
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Fit the directions along which faces of a generator smile or age, and say how far to trust them.

    The generator makes faces of every condition and age; the oracle reads those of phantoms, landmarks the smiles of
    photographs. Clear examples (a smile below 0.25 or above 0.75, younger than 10 or older than 35 years) make a linear
    SVM for all conditions together, and for smiles one for each, measured on faces that they were not fitted on.
    Latents are moved along the pattern of the attribute: how faces differ that differ in nothing else. The table says
    what each direction does to everything that can be read.

    Example: gestaltgen fit-direction --out directions.safetensors
    """
    if threads is not None:
        torch.set_num_threads(threads)
    parts = files_of(generator)
    source = parts.generator
    net = checkpoint.load_generator(source).requires_grad_(False)
    reader = face_reader(parts.oracle, FaceDescriber(FaceDetector()))
    w, cells = sample_latents(net, count, seed)
    with stepping_bar(_console, "faces made and read", count) as step:
        read = read_latents(net, w, reader, step)
    readable = [name for name in (SMILE, AGE) if name in read.attributes]
    wanted = attributes or readable
    if strange := [name for name in wanted if name not in readable]:
        raise ConfigError(
            f"{', '.join(strange)} cannot be read from these faces; expected some of {', '.join(readable)}"
        )
    origin = {"generator": source.name, "faces": count, "seed": seed}
    conditions = condition_names(net, cells)
    unseen = np.random.default_rng(seed).permutation(count) < count // HELD_OUT
    fitted = _directions(wanted, w[~unseen], read[~unseen], conditions[~unseen], seed, origin)
    kept = patterns(w, read, conditions)
    found = {
        name: _measured(direction, w[unseen], read[unseen], conditions[unseen]).along(kept[direction.attribute][0], w)
        for name, direction in fitted.items()
    }
    people = sample_latents(net, tried, seed + 1)[0]
    with stepping_bar(_console, "directions tried", tried * (2 * len(found) + 1)) as step:
        table = entanglement(net, people, list(found.values()), reader, step)
    known = np.isfinite(read.identity).all(axis=1)
    apart = people_apart(read.identity[known][:1_000])
    told = f"{count} faces of {source.name}"
    directions = Directions(fingerprint(net), found, Region.of(w), apart, kept, tuple(table), told, licence)
    direction_file.save(out, directions)
    _console.print(table_of(directions))
    _console.print(f"directions in {out}", soft_wrap=True)


def condition_names(net: Generator, cells: Tensor) -> npt.NDArray[np.str_]:
    """The condition of each of the places (n,) that `sample_latents` gives; "" where there is one or none."""
    vocabulary = net.config.vocabulary
    if vocabulary is None or len(vocabulary.conditions) == 1:
        return np.full(len(cells), "")
    names: npt.NDArray[np.str_] = np.array(vocabulary.conditions)
    return np.asarray(names[cells.numpy() // len(vocabulary.ages)])


def clear_examples(values: Features, name: str) -> tuple[Flags, Flags]:
    """Which faces are clear examples, and which of these have the attribute."""
    low, high = CLEAR[name]
    with np.errstate(invalid="ignore"):
        clear = (values < low) | (values > high)
    return clear, values[clear] > high


def _directions(
    wanted: Sequence[str],
    w: Tensor,
    read: Read,
    conditions: npt.NDArray[np.str_],
    seed: int,
    origin: dict[str, object],
) -> dict[str, Direction]:
    found: dict[str, Direction] = {}
    for name in wanted:
        clear, has = clear_examples(read.attributes[name], name)
        x = w[torch.from_numpy(clear)]
        if name != SMILE or len(set(conditions)) == 1:
            found[name] = fit(x, has, name=name, C=STEADY_C, seed=seed, origin=origin)
            continue
        each: ByCondition = fit_by_condition(x, has, conditions[clear], name=name, C=STEADY_C, seed=seed, origin=origin)
        found[name] = each.pooled
        for condition, direction in each.conditions.items():
            share = {"pooled_share": each.shares[condition], "gain": each.gains[condition]}
            found[direction.name] = replace(direction, origin={**origin, **share})
    return found


def _measured(direction: Direction, w: Tensor, read: Read, conditions: npt.NDArray[np.str_]) -> Direction:
    """A direction measured on faces that it was not fitted on, that of a condition on its own."""
    clear, has = clear_examples(read.attributes[direction.attribute], direction.attribute)
    _, _, condition = direction.name.partition(" of ")
    here = conditions[clear] == condition if condition else np.ones(len(has), dtype=bool)
    measured = remeasured(direction, w[torch.from_numpy(clear)][torch.from_numpy(here)], has[here])
    return replace(measured, positive=direction.positive, negative=direction.negative)


def table_of(directions: Directions) -> Table:
    """What is known of each direction, and what it does."""
    names = list(directions.table[0].slopes) if directions.table else []
    table = Table(box=None, pad_edge=False, title="change for one standard deviation along the direction")
    for title in ("direction", "accuracy", "examples", *names, "identity", "flags"):
        table.add_column(title, justify="left" if title in ("direction", "flags") else "right")
    moved: dict[str, Moves] = {moves.direction: moves for moves in directions.table}
    for name, one in directions.directions.items():
        moves = moved.get(name)
        slopes = [f"{moves.slopes[attribute]:+.2f}" for attribute in names] if moves else ["" for _ in names]
        identity = f"{moves.identity:.2f}" if moves else ""
        numbers = (f"{one.accuracy:.1%}", f"{one.positive}+{one.negative}")
        table.add_row(name, *numbers, *slopes, identity, "; ".join(one.flags))
    return table
