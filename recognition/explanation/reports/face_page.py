"""Tables, JSON and one HTML page of the explained faces of a data set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

from core.atomic_files import write_file
from core.reports.html_pages import format_csv, render_template

FACE: Final = "face"
REGIONS: Final = "regions"
"""Titles of the pictures beside those of the methods."""

PAGE: Final = "index.html"
FILES: Final = ("relevance.csv", "faces.csv", "changes.csv", "skipped.csv", "report.json", PAGE)
"""Files of a report."""

_CHANGE: Final = ("change", "to", "answer", "probability", "probability_change", "logit_change", "verdict")

NOTICE: Final = (
    "A map shows what a classifier went by. It does not show what is the matter with a person, and is no basis for a "
    "diagnosis. Pictures of phantoms and of generated faces are synthetic; a map of a photograph shows the person, and "
    "is kept and passed on as the photograph itself is."
)

Rows = list[list[Any]]


def write_tables_and_page(
    out: Path, settings: dict[str, Any], results: Sequence[dict[str, Any]], skipped: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """Write FILES into a folder.

    Args:
        out: the folder, which holds the pictures that the results name.
        settings: of the explanations.
        results: contents of the file of each face.
        skipped: file and reason of each face that could not be explained.

    Returns:
        what `report.json` holds.
    """
    whole = {"notice": NOTICE, "settings": settings, "faces": list(results), "skipped": list(skipped)}
    tables = {
        "relevance.csv": _tabulate_relevance(results),
        "faces.csv": _tabulate_faces(results, settings["classes"]),
        "changes.csv": [
            ["file", "target", *_CHANGE],
            *(
                [face["file"], face["target"], *(one[name] for name in _CHANGE)]
                for face in results
                for one in face.get("counterfactuals", ())
            ),
        ],
        "skipped.csv": [["file", "reason"], *([one["file"], one["reason"]] for one in skipped)],
    }
    for name, rows in tables.items():
        write_file(out / name, format_csv(rows).encode())
    write_file(out / "report.json", (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode())
    write_file(out / PAGE, _render_page(settings, results, skipped).encode())
    return whole


def _tabulate_relevance(results: Sequence[dict[str, Any]]) -> Rows:
    rows: Rows = [
        ["file", "person", "condition", "age_group", "target", "method", "region", "relevance", "scaled_relevance"]
    ]
    for face in results:
        known = [face[name] for name in ("file", "person", "condition", "age_group", "target")]
        for method, regions in face["methods"].items():
            rows += [[*known, method, region, one["relevance"], one["scaled"]] for region, one in regions.items()]
    return rows


def _tabulate_faces(results: Sequence[dict[str, Any]], classes: Sequence[str]) -> Rows:
    rows: Rows = [["file", "person", "condition", "age_group", "target", "masks", *classes, "hpo_terms"]]
    for face in results:
        known = [face[name] for name in ("file", "person", "condition", "age_group", "target", "masks")]
        rows.append([*known, *(face["probabilities"][name] for name in classes), "; ".join(face["terms"])])
    return rows


def _tabulate_means(results: Sequence[dict[str, Any]], methods: Sequence[str]) -> Rows:
    """Tabulate the mean scaled relevance of each region by explained class and method."""
    rows: Rows = [["class", "faces", "region", *methods]]
    for target in dict.fromkeys(face["target"] for face in results):
        of_class = [face for face in results if face["target"] == target]
        for region in _list_regions(of_class):
            having = [face for face in of_class if region in face["methods"][methods[0]]]
            values = [mean(face["methods"][method][region]["scaled"] for face in having) for method in methods]
            rows.append([target, len(having), region, *values])
    return rows


def _list_regions(results: Iterable[dict[str, Any]]) -> list[str]:
    regions = (region for face in results for of_method in face["methods"].values() for region in of_method)
    return list(dict.fromkeys(regions))


def _render_page(settings: dict[str, Any], results: Sequence[dict[str, Any]], skipped: Sequence[dict[str, str]]) -> str:
    methods = settings["methods"]
    return render_template(
        __package__ or "",
        "faces.html",
        title="Explanations of faces",
        notice=NOTICE,
        means=_shade(_tabulate_means(results, methods)),
        faces=[(face, _summarise_face(face), _shade(_tabulate_face(face, methods))) for face in results],
        skipped=skipped,
        skipped_table=_shade([["file", "reason"], *(list(one.values()) for one in skipped)]),
        settings=_shade([["setting", "value"], *([name, json.dumps(value)] for name, value in settings.items())]),
    )


def _summarise_face(face: dict[str, Any]) -> str:
    likely = sorted(face["probabilities"].items(), key=lambda one: -one[1])[:3]
    answers = ", ".join(f"{name} {probability:.0%}" for name, probability in likely)
    known = f"labelled {face['condition'] or 'unknown'}; answer: {answers}"
    return f"{known}; explained: {face['target']}; regions: {face['masks']}"


def _tabulate_face(face: dict[str, Any], methods: Sequence[str]) -> Rows:
    regions = _list_regions([face])
    return [
        ["region", *methods],
        *([region, *(face["methods"][method][region]["scaled"] for method in methods)] for region in regions),
    ]


def _shade(rows: Rows) -> tuple[list[str], list[list[tuple[str, str | None]]]]:
    """Return the header, and each cell as text with its shade: numbers have their share of the largest one in the
    column, 0 to 0.7, and others None."""
    head, *body = rows
    largest = [
        max((cell for cell in column if isinstance(cell, float)), default=0) for column in zip(*rows, strict=True)
    ]
    return head, [[_shade_cell(cell, most) for cell, most in zip(row, largest, strict=True)] for row in body]


def _shade_cell(value: Any, largest: float) -> tuple[str, str | None]:
    if not isinstance(value, float):
        return str(value), None
    return f"{value:.3f}", f"{0.7 * value / largest if largest else 0:.2f}"
