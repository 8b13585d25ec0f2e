"""Report of a study as one page and one JSON file, from the results of answers and of eye tracking."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from core.atomic_files import write_file
from core.errors import ConfigError, DatasetError
from core.formats.archives import open_store
from core.formats.arrays import read_array
from core.json_text import to_json_text
from core.reports.html_pages import format_section, render_html
from studies.gaze.gaze_study import MAPS_FILE, RESULTS_FILE
from studies.report.answer_sections import render_answers
from studies.report.gaze_sections import render_gaze
from studies.report.import_section import render_import
from studies.report.methods_text import describe_answers, describe_gaze

NOTICE: Final = (
    "The pictures of this study may be synthetic or edited. Its results describe groups of participants; they say "
    "nothing about a single person and are no basis for a diagnosis."
)

_MOST_BYTES: Final = 100_000_000
_ANSWER_FIELDS: Final = (
    "answers", "participants", "faces", "images", "left_out", "accuracies", "confusions", "variant_tests", "confidence",
    "smile", "agreement", "human_and_model", "seed", "versions",
)  # fmt: skip
_GAZE_FIELDS: Final = (
    "participants", "images", "views", "settings", "versions", "excluded", "problems", "areas", "differences",
    "clusters", "similarities",
)  # fmt: skip

_IMPORT_FIELDS: Final = ("files", "read", "kept", "left_out", "rules")

Results = Mapping[str, Any]


@dataclass(frozen=True)
class StudyReport:
    """Report of a study.

    Attributes:
        sections: HTML of its sections, with their plots.
        numbers: all its numbers, for JSON.
        plots: PNGs by name.
    """

    sections: tuple[Markup, ...]
    numbers: Results
    plots: Mapping[str, bytes]

    def list_files(self) -> dict[str, bytes]:
        """Return the files of the report by name: page, numbers and plots."""
        return {f"{name}.png": png for name, png in self.plots.items()} | {
            "report.json": (to_json_text(self.numbers) + "\n").encode(),
            "report.html": render_html("Report of a study", NOTICE, self.sections).encode(),
        }


def write_report(out: Path, results: Path | None, gaze: Path | None, imported: Path | None = None) -> None:
    """Write report.html, report.json with all its numbers, and its plots as PNG.

    Args:
        results: JSON of `gestaltgen study analyse`.
        gaze: folder of `gestaltgen study gaze`.
        imported: counts that `gestaltgen study import` wrote.

    Raises:
        ConfigError: neither results nor gaze are given.
        DatasetError: a file that cannot be read, is of other results, or names a single participant.
    """
    if results is None and gaze is None:
        raise ConfigError("nothing to report; name the JSON of `study analyse`, the folder of `study gaze`, or both")
    answered = None if results is None else _read_results(results, _ANSWER_FIELDS)
    looked = None if gaze is None else _read_results(gaze / RESULTS_FILE, _GAZE_FIELDS)
    counts = None if imported is None else _read_results(imported, _IMPORT_FIELDS)
    maps = {} if gaze is None else _read_maps(gaze / MAPS_FILE)
    report = compose_report(answered, counts, looked, maps)
    for name, data in report.list_files().items():
        write_file(out / name, data)


def compose_report(
    answered: Results | None,
    counts: Results | None = None,
    looked: Results | None = None,
    maps: Mapping[str, Any] | None = None,
) -> StudyReport:
    """Compose a report.

    Args:
        answered: what `gestaltgen study analyse` computes.
        counts: what `gestaltgen study import` counts.
        looked, maps: what `gestaltgen study gaze` computes.
    """
    plots: dict[str, bytes] = {}
    sections: list[Markup] = []
    methods: dict[str, str] = {}
    if counts is not None:
        sections.append(render_import(counts))
    if answered is not None:
        sections += render_answers(answered, plots)
        methods["answers"] = describe_answers(answered)
    if looked is not None:
        sections += render_gaze(looked, maps or {}, plots)
        methods["gaze"] = describe_gaze(looked)
    sections.append(format_section("Methods", *methods.values()))
    whole = {"notice": NOTICE, "imported": counts, "answers": answered, "gaze": looked, "methods": methods}
    return StudyReport(tuple(sections), whole, plots)


def _read_results(path: Path, names: Sequence[str]) -> Results:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DatasetError(f"{path} has more than {_MOST_BYTES} bytes; expected the results of one study")
        results = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} is no JSON file that can be read: {error}") from error
    if not isinstance(results, dict) or (missing := [name for name in names if name not in results]):
        lacking = "no object" if not isinstance(results, dict) else f"no {missing[0]!r}"
        raise DatasetError(f"{path} has {lacking}; expected results that this version wrote: compute them again")
    if _names_person(results):
        raise DatasetError(f"{path} has values of single participants; a report shows groups alone")
    return results


def _names_person(value: Any) -> bool:
    """Return whether a field `participant` anywhere is a text, that is, a pseudonym; as a number it is a variance."""
    if isinstance(value, dict):
        return isinstance(value.get("participant"), str) or any(map(_names_person, value.values()))
    return isinstance(value, list) and any(map(_names_person, value))


def _read_maps(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        with closing(open_store(path)) as store:
            return {name.removesuffix(".npy"): read_array(store.read(name)) for name in sorted(store.names())}
    except ValueError as error:
        raise DatasetError(f"{path} holds no arrays that can be read: {error}") from error
