"""Results of the thesis at the Radboudumc: five models for twelve syndromes, on photographs of patients."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recognition.syndromes.cohorts.scores import Spread

_FILE: Final = Path(__file__).with_name("thesis.csv")


@dataclass(frozen=True)
class ThesisResult:
    """Mean and deviation over three runs, by leave-one-out. Our names stand for the thesis's models: `neighbours` for
    Deepface, `distances` for Distance."""

    patients: int
    auc: Spread
    specificity: Spread
    sensitivity: Spread


def read_thesis() -> dict[tuple[str, str], ThesisResult]:
    """Read the results by syndrome and model."""
    results = {}
    for row in csv.DictReader(_FILE.read_text("utf-8").splitlines()):
        spreads = (Spread(float(row[name]), float(row[f"{name}_sd"])) for name in ("auc", "specificity", "sensitivity"))
        results[row["syndrome"], row["model"]] = ThesisResult(int(row["patients"]), *spreads)
    return results
