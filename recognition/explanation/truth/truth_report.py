"""Truth of saliency methods on a user's own classifier of conditions that phantoms can be drawn for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np

from core.atomic_files import write_file
from core.errors import ConfigError
from faces.conditions.catalogue import load_catalogue
from faces.labels import CONDITIONS, UNAFFECTED
from faces.phantoms.drawn_terms import DRAWN_TERMS
from faces.phantoms.person import Phantom, random_phantom
from faces.phantoms.phantom_dataset import nth_described_phantom
from recognition.ensemble import Ensemble
from recognition.explanation.truth.measurement import measure_truth
from recognition.explanation.truth.phantom_faces import draw_phantom_face
from recognition.explanation.truth.truth_picture import draw_truth
from recognition.explanation.truth.truth_table import (
    format_conditions,
    format_methods,
    measure_conditions,
    measure_methods,
)

NOTICE: Final = "Phantoms, no patients. No basis for a diagnosis."


def report_truth(
    ensemble: Ensemble,
    out: Path,
    *,
    persons: int,
    seed: int,
    from_terms: bool,
    on_face: Callable[[], None] = lambda: None,
) -> str:
    """Measure an ensemble, or continue, and write OUT/truth.md, OUT/truth.json and OUT/truth.png; returns the tables.

    Args:
        persons: persons of each condition.
        seed: seed of the persons; another than that of the training faces, or the classifiers know them.
        from_terms: see `draw_persons`.

    Raises:
        ConfigError: see `draw_persons`; OUT holds a measurement of others; or no answer depends on what conditions
            change.
    """
    drawn = draw_persons(ensemble.classes, persons, seed, from_terms)
    plan = {"persons": persons, "seed": seed, "from_terms": from_terms, "classifiers": list(ensemble.names)}
    plan["seen"] = [len(one.seen.keys) for one in ensemble.classifiers]
    _keep_plan(out, plan)
    measured = measure_truth(ensemble.classifiers, drawn, out / "measured", on_face=on_face)
    methods, conditions = measure_methods(measured), measure_conditions(measured)
    if not methods:
        raise ConfigError(
            "no answer of the classifier depends on what the conditions change in phantoms, so there is no truth to "
            "compare maps with; train it on phantoms, or on faces like them"
        )
    about = {**plan, "methods": [asdict(row) for row in methods], "conditions": [asdict(row) for row in conditions]}
    write_file(out / "truth.json", (json.dumps(about, indent=1) + "\n").encode())
    tables = f"{format_methods(methods)}\n{format_conditions(conditions)}"
    write_file(out / "truth.md", f"{NOTICE}\n\n{tables}".encode())
    first = ensemble.classifiers[0]
    names = dict.fromkeys(person.condition for person in drawn)
    shown = [next(person for person in drawn if person.condition == name) for name in names]
    faces = [draw_phantom_face(person, first.config.size) for person in shown]
    write_file(out / "truth.png", draw_truth([first] * len(faces), faces))
    return tables


def draw_persons(classes: Sequence[str], count: int, seed: int, from_terms: bool) -> list[Phantom]:
    """Draw `count` persons of each affected class of a classifier; conditions take turns.

    Args:
        from_terms: draw persons from the HPO terms of the catalogue, as for `gestaltgen dataset phantoms --condition`.
            False draws the default conditions if the classifier knows no other.

    Raises:
        ConfigError: phantoms cannot be drawn for a class.
    """
    affected = [name for name in classes if name != UNAFFECTED]
    total = range(count * len(affected))
    if affected and not from_terms and set(affected) <= set(CONDITIONS):
        rng = np.random.default_rng(seed)
        return [random_phantom(rng, affected[index % len(affected)]) for index in total]
    catalogue = load_catalogue()
    conditions = [catalogue.get(name) for name in affected]
    known = [one for one in conditions if one and any(term.term_id in DRAWN_TERMS for term in one.terms)]
    if len(known) < len(affected) or not known:
        wrong = sorted(set(affected) - {one.name for one in known})
        raise ConfigError(
            f"phantoms cannot be drawn for {', '.join(wrong) or 'a classifier without affected classes'}; expected "
            f"conditions of the catalogue with facial terms, or the default ones {', '.join(CONDITIONS)}"
        )
    return [nth_described_phantom(seed, index, known, ()) for index in total]


def _keep_plan(out: Path, plan: dict[str, object]) -> None:
    path, text = out / "plan.json", json.dumps(plan, indent=1)
    if path.exists() and path.read_text("utf-8") != text:
        raise ConfigError(f"{out} holds a measurement with other settings or classifiers; give another --out")
    write_file(path, text.encode())
