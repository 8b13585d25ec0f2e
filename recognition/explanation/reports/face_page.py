"""Tables, JSON and one HTML page of the explained faces of a data set."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

from core.atomic_files import write_file
from core.reports.html_pages import format_csv, render_html

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
    facts: Rows = [["setting", "value"], *([name, json.dumps(value)] for name, value in settings.items())]
    parts = [f"<p>{len(results)} faces explained, {len(skipped)} skipped.</p>"]
    if results:
        parts += [
            "<h2>Mean relevance of regions</h2><p>Mean of each map over a region, with the map scaled to 0 to 1, "
            "averaged over the faces of a class. The darkest cells of a column are the regions that the method names."
            "</p>",
            _format_table(_tabulate_means(results, methods)),
            "<h2>Faces</h2>",
            *(_render_face(face, methods) for face in results),
        ]
    if skipped:
        parts.append("<h2>Skipped</h2>" + _format_table([["file", "reason"], *(list(one.values()) for one in skipped)]))
    parts.append("<h2>Settings</h2>" + _format_table(facts))
    return render_html("Explanations of faces", NOTICE, "\n".join(parts))


def _render_face(face: dict[str, Any], methods: Sequence[str]) -> str:
    pictures = "".join(_render_figure(title, file, title.replace("_", " ")) for title, file in face["pictures"].items())
    likely = sorted(face["probabilities"].items(), key=lambda one: -one[1])[:3]
    answers = ", ".join(f"{name} {probability:.0%}" for name, probability in likely)
    known = [
        f"labelled {face['condition'] or 'unknown'}",
        f"answer: {answers}",
        f"explained: {face['target']}",
        f"regions: {face['masks']}",
    ]
    terms = f"<p>HPO terms of the table: {html.escape(', '.join(face['terms']))}</p>" if face["terms"] else ""
    table: Rows = [["region", *methods]]
    for region in _list_regions([face]):
        table.append([region, *(face["methods"][method][region]["scaled"] for method in methods)])
    return (
        f"<section><h3>{html.escape(face['file'])}</h3><p>{html.escape('; '.join(known))}</p>{terms}"
        f'<div class="pictures">{pictures}</div>{_format_table(table)}{_render_changes(face)}</section>'
    )


def _render_figure(title: str, file: str, caption: str) -> str:
    return (
        f'<figure><img loading="lazy" alt="{html.escape(title)}" src="{html.escape(file)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _render_changes(face: dict[str, Any]) -> str:
    """Render the counterfactuals of a face; nothing where none were asked for."""
    if "counterfactuals" not in face:
        return ""
    figures = "".join(
        _render_figure(
            one["title"],
            one["picture"],
            f"{one['title']}: answer {one['answer']}, {face['target']} {one['probability']:.0%} "
            f"({100 * one['probability_change']:+.0f})" + (f", {one['verdict']}" if one["verdict"] else ""),
        )
        for one in face["counterfactuals"]
    )
    reasons = "".join(
        f"<p>No counterfactual ({html.escape(change)}): {html.escape(reason)}</p>"
        for change, reason in face["no_counterfactuals"].items()
    )
    return (
        "<h4>What changes the answer?</h4><p>The same random vector with another condition, and edits along single "
        "traits; in brackets the change of the probability in points.</p>"
        f'<div class="pictures">{figures}</div>'
        f"{reasons}"
    )


def _format_table(rows: Rows) -> str:
    """Format a table; numbers are shaded by their share of the largest one in their column."""
    head, *body = rows
    top = "".join(f"<th>{html.escape(str(cell).replace('_', ' '))}</th>" for cell in head)
    largest = [
        max((cell for cell in column if isinstance(cell, float)), default=0) for column in zip(*rows, strict=True)
    ]
    lines = [
        "<tr>" + "".join(_format_cell(cell, top) for cell, top in zip(row, largest, strict=True)) + "</tr>"
        for row in body
    ]
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _format_cell(value: Any, largest: float) -> str:
    if not isinstance(value, float):
        return f"<td>{html.escape(str(value))}</td>"
    strength = 0.7 * value / largest if largest else 0
    return f'<td class="number" style="background: rgba(221,107,32,{strength:.2f})">{value:.3f}</td>'
