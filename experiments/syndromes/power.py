"""Experiment on how many patients it takes to find that they are a group, and that one more person is unlike them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from core.atomic_files import write_file
from core.json_text import to_json_text
from core.progress import SILENT, Progress
from experiments.syndromes.graded_people import STRENGTHS, open_graded_people
from recognition.syndromes.cohorts.distances import scale_to_unit_length
from recognition.syndromes.cohorts.matching import match
from recognition.syndromes.cohorts.power import SIZES, GroupPower, simulate_power
from recognition.syndromes.features.layout import DESCRIPTOR

SEED: Final = 2905
RESULTS: Final = "power.json"


@dataclass(frozen=True)
class PowerScale:
    """Size of the experiment.

    Attributes:
        sizes: numbers of patients of a group.
        patients: patients drawn at each strength, of whom the groups are drawn.
        controls: controls drawn.
        groups: groups of each size.
    """

    sizes: tuple[int, ...] = SIZES
    patients: int = 90
    controls: int = 250
    groups: int = 100


FULL: Final = PowerScale()
QUICK: Final = PowerScale((3, 5), 12, 40, 20)


def measure_power(out: Path, scale: PowerScale, progress: Progress = SILENT) -> dict[str, list[GroupPower]]:
    """Measure the power at each strength by descriptors of dlib's network of length 1, and write power.json."""
    cohort, features = open_graded_people(out, scale.patients, scale.controls, SEED, flat=True, progress=progress)
    descriptors = scale_to_unit_length(features.block(DESCRIPTOR))
    rows = {file: row for row, file in enumerate(features.files)}
    results = {}
    for strength in STRENGTHS:
        pairs = match(cohort.patients(strength), cohort.controls).pairs
        patients, controls = (descriptors[[rows[pair[side].file] for pair in pairs]] for side in (0, 1))
        results[strength] = simulate_power(patients, controls, scale.sizes, groups=scale.groups, progress=progress)
    written = {strength: [asdict(one) for one in rows] for strength, rows in results.items()}
    write_file(out / RESULTS, (to_json_text(written) + "\n").encode())
    return results


def format_power(results: Mapping[str, Sequence[GroupPower]]) -> str:
    """Format the power as a Markdown table: a row for each number of patients, columns for each strength."""
    columns = [f"{strength}: {name}" for strength in results for name in ("found", "excluded", "separation")]
    lines = [f"| patients | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for rows in zip(*results.values(), strict=True):
        values = [(one.found.value, one.told_apart.value, one.separation) for one in rows]
        cells = [f"{value:.2f}" for row in values for value in row]
        lines.append(f"| {rows[0].patients} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
