"""`python -m benchmarks.image_scores`: what the scores of image sets cost beside rendering, and what they usually are.

Processor time, not the clock: other work on the machine changes it less. It is printed as Markdown for docs/service.md.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

import weights
from api.image_sets.local_sets import write_image_set
from api.image_sets.scoring import open_scorer, settle_scores
from api.models.generator import GeneratorModel

_CHUNK: Final = 32
_ROUNDS: Final = 6
_SKIN: Final = (slice(None), slice(58, 74), slice(36, 50))
"""A cheek of an aligned picture of 128 px."""


def measure_ms(work: Callable[[], object], images: int) -> float:
    """Return the median processor time of an image in ms, over some rounds."""
    work()
    seconds = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return 1000 * float(np.median(seconds)) / images


def measure_costs(precision: str) -> list[str]:
    """Return a row of the table: ms for an image, and the shares of scores."""
    model = GeneratorModel(weights.default(), threads=1)
    asked = {"kind": "unrelated", "count": 13, "seed": 1, "precision": precision}
    settled = settle_scores(asked | {"scores": True}, model.info, None)
    plan = model.plan(settled, 1000)
    scorer, rows = open_scorer(model.info, plan.request, None), [row.to_json() for row in plan.rows[:_CHUNK]]
    images = model.render(plan, plan.rows[:_CHUNK])

    def write(fields: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_image_set(Path(folder, "set"), model.plan(fields, 1000), model)

    rendering = measure_ms(lambda: model.render(plan, plan.rows[:_CHUNK]), _CHUNK)
    scoring = measure_ms(lambda: scorer.score(rows, images), _CHUNK)
    making = measure_ms(lambda: write(asked), len(plan.rows))
    times = [f"{value:.2f}" for value in (rendering, making, scoring)]
    return [precision, *times, f"{scoring / rendering:.0%}", f"{scoring / making:.0%}"]


def list_usual_scores(name: str) -> list[list[str]]:
    """Return rows of a table: percentiles of each score of a shipped generator, and its correlation with the skin."""
    model = GeneratorModel(weights.find_file(name), threads=1)
    asked = {"kind": "unrelated", "conditions": model.info.conditions, "count": 20, "truncation": 1.0, "scores": True}
    plan = model.plan(settle_scores(asked, model.info, None), 1000)
    images = model.render(plan, plan.rows)
    scores = open_scorer(model.info, plan.request, None).score([row.to_json() for row in plan.rows], images)
    skin = images[_SKIN].mean(axis=(1, 2, 3))
    found = []
    for score in ("condition", "age", "face", "sharpness"):
        if score in scores[0]:
            values = np.array([one[score] for one in scores])
            percentiles = [f"{value:.2f}" for value in np.percentile(values, [1, 5, 50])]
            found.append([Path(name).stem, score, *percentiles, f"{np.corrcoef(values, skin)[0, 1]:+.2f}"])
    return found


def format_table(head: list[str], rows: list[list[str]]) -> str:
    """Return rows as a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---", *["--:"] * (len(head) - 1)], *rows])


if __name__ == "__main__":
    columns = ["precision", "network, ms", "whole set, ms", "scores, ms", "scores / network", "scores / whole set"]
    print(format_table(columns, [measure_costs(precision) for precision in ("bfloat16", "float32")]))
    columns = ["generator", "score", "1st percentile", "5th", "median", "correlation with lightness of the skin"]
    print()
    print(format_table(columns, [row for name in weights.GENERATORS for row in list_usual_scores(name)]))
