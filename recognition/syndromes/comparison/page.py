"""Report of a comparison: results.json, tables as CSV, and a page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from core.atomic_files import write_file
from core.json_text import to_json_text
from core.reports.html_pages import (
    embed_image,
    format_csv,
    format_details,
    format_facts,
    format_gallery,
    format_section,
    format_subsection,
    format_table,
    render_html,
)
from core.reports.versions import list_versions
from recognition.syndromes.cohorts.runs import FEWEST_PAIRS
from recognition.syndromes.comparison.comparison import Comparison, Result
from recognition.syndromes.comparison.figures import plot_curves, plot_distances, plot_matrix
from recognition.syndromes.comparison.tables import (
    find_areas,
    select_results,
    tabulate_cohort,
    tabulate_distances,
    tabulate_left_out,
    tabulate_predictions,
    tabulate_problems,
    tabulate_results,
    tabulate_runs,
    tabulate_terms,
    tabulate_unmatched,
)
from recognition.syndromes.models.registry import ENSEMBLE

NOTICE: Final = (
    "Research use: these figures compare methods on the people of one data set. Nothing here is a diagnosis. The files "
    "beside this page hold names and predictions of these people; handle them as their photographs."
)
PAGE: Final = "report.html"
RESULTS: Final = "results.json"

_SCHEMES: Final = {
    "leave_one_out": "each person is left out once, as published. With as many patients as controls, the models that "
    "predict a patient have seen fewer patients than controls, which biases nearest neighbours downward.",
    "folds": "five parts, repeated, with a patient and the matched control always in the same part, so that all "
    "models see as many patients as controls.",
}

_TESTS: Final = (
    "p: probability of an area as large as the tested AUC if patients and controls were alike, by exchanging the two "
    "inside the pairs. The tested AUC is that of a validation of its own, with pairs held out together: leave-one-out "
    "for nearest neighbours, five folds, once, for other models. Of several runs, twice the mean p, which is valid "
    "although they share the patients. That of n pairs cannot be below 2 / 2ⁿ: five pairs can never reach "
    "0.05. p (Holm) is corrected for the number of tests in this table."
)


def write_report(out: Path, comparison: Comparison) -> dict[str, Any]:
    """Write results.json, the tables as CSV and the page, which only their owner can read, into a folder.

    Returns:
        content of results.json.
    """
    tables = {
        "runs.csv": tabulate_runs(comparison),
        "predictions.csv": tabulate_predictions(comparison),
        "unmatched.csv": tabulate_unmatched(comparison),
        "problems.csv": tabulate_problems(comparison),
        "distances.csv": tabulate_distances(comparison),
    }
    for name, rows in tables.items():
        write_file(out / name, format_csv(rows).encode(), private=True)
    about = to_json(comparison)
    write_file(out / RESULTS, (to_json_text(about) + "\n").encode(), private=True)
    page = render_html("Syndrome or not", NOTICE, _format_body(comparison))
    write_file(out / PAGE, page.encode(), private=True)
    return about


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return settings, cohort and all scores, JSON-able; no names of people."""
    cohort = comparison.cohort
    return {
        "notice": NOTICE,
        "versions": list_versions(),
        "settings": asdict(comparison.settings),
        "people": len(cohort.persons),
        "controls": len(cohort.controls),
        "problems": len(cohort.problems),
        "left_out": [asdict(one) for one in comparison.left_out],
        "cohort": _to_objects(tabulate_cohort(comparison)),
        "terms": {name: asdict(one) for name, one in comparison.term_counts.items()},
        "unmatched": len(tabulate_unmatched(comparison)) - 1,
        "results": [_result_to_json(one) for one in comparison.results],
        "seconds": sum(one.seconds for one in comparison.results if one.model != ENSEMBLE),
    }


def _to_objects(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    header, *body = rows
    return [dict(zip(header, row, strict=True)) for row in body]


def _result_to_json(one: Result) -> dict[str, Any]:
    about = {"syndrome": one.syndrome, "opponent": one.opponent, "model": one.model, "scheme": one.scheme}
    runs = [{"p": run.p, **asdict(run.scores)} for run in one.runs]
    return about | {"summary": asdict(one.summary), "runs": runs, "seconds": one.seconds}


def _format_body(comparison: Comparison) -> list[Markup]:
    sections = [_format_design(comparison)]
    sections += [_format_results(comparison, scheme) for scheme in comparison.settings.schemes]
    if any(one.opponent for one in comparison.results):
        sections.append(_format_opponents(comparison))
    if comparison.important:
        sections.append(_format_distances(comparison))
    if comparison.term_counts:
        sections.append(_format_terms(comparison))
    runs = format_details("Scores of every run with intervals of 95 %", format_table(tabulate_runs(comparison)))
    return [*sections, _format_people(comparison), format_section("All runs", runs)]


def _format_results(comparison: Comparison, scheme: str) -> Markup:
    name = scheme.replace("_", " ")
    return format_section(
        f"Against controls, {name}",
        f"Validation: {_SCHEMES[scheme]} Means over the runs, with their deviation in brackets; all runs have "
        "the same patients, so that a small deviation is no certainty. 95 %: the interval of one run, mean over "
        "the runs. N: patients with a control.",
        _TESTS,
        format_table(tabulate_results(comparison, scheme)),
        embed_image(plot_curves(select_results(comparison, scheme)), f"ROC curves of all models by syndrome, {name}"),
    )


def _format_design(comparison: Comparison) -> Markup:
    settings, cohort = comparison.settings, comparison.cohort
    facts: dict[str, Any] = {
        "people": f"{len(cohort.persons)}, of whom {len(cohort.controls)} are controls",
        "models": ", ".join(settings.models),
        "matching": f"same sex{' and ancestry' if settings.ancestry else ''}, same age in years if possible, else "
        f"{settings.rule.lower:.2f} to {settings.rule.upper:.2f} times the patient's; by {settings.method}; each "
        "control once in a run",
        "runs": settings.runs,
        "seed": settings.seed,
        "versions": ", ".join(f"{name} {version}" for name, version in list_versions().items()),
    }
    if ENSEMBLE in settings.models:
        combined = "mean probability, most frequent prediction" if len(settings.members) > 2 else "mean probability"
        facts[ENSEMBLE] = f"{combined} of {', '.join(settings.members)}"
    return format_section("Design", format_facts(facts), format_table(tabulate_cohort(comparison)))


def _format_opponents(comparison: Comparison) -> Markup:
    (scheme,) = comparison.settings.list_schemes("another")
    results = select_results(comparison, scheme, opponents=True)
    syndromes = [*dict.fromkeys(name for one in results for name in (one.syndrome, one.opponent or ""))]
    pictures = [
        embed_image(
            plot_matrix(sorted(syndromes), dict(find_areas(comparison, model)), model),
            f"Areas under the curve of syndrome against syndrome, {model}",
        )
        for model in comparison.settings.models
    ]
    return format_section(
        "Syndrome against syndrome",
        "Patients of the syndrome of the row, matched with those of the column as with controls, in one run: area "
        f"under the curve by {scheme.replace('_', ' ')}, and n, the number of pairs. An empty cell has fewer than "
        f"{FEWEST_PAIRS} pairs. A row and its column differ, because the limits of age are those of the row's "
        "patients.",
        format_gallery(pictures),
    )


def _format_distances(comparison: Comparison) -> Markup:
    return format_section(
        "Most important distances",
        "Distances between points of one half of the face that the random forest uses, after learning from all "
        "patients of the first run and their controls: the most important ones until they have 80 % of the importance, "
        "30 at most, seen from the front on the mean face. A distance between regions appears here because it helps to "
        "tell these people apart; few people give other distances with every draw of controls.",
        embed_image(plot_distances(comparison.important), "Most important distances of each syndrome on a mean face"),
        format_details("All of these distances", format_table(tabulate_distances(comparison))),
    )


def _format_terms(comparison: Comparison) -> Markup:
    return format_section(
        "Numbers of HPO terms",
        "Mean number of terms that count, of the patients and their controls in the first run. Where the area of "
        "the number alone is away from 0.5, one group was described more thoroughly, and models of terms "
        "recognise that; neither matching nor p protects against it. face_and_own_terms depends on it less.",
        format_table(tabulate_terms(comparison)),
    )


def _format_people(comparison: Comparison) -> Markup:
    unmatched, problems = tabulate_unmatched(comparison), tabulate_problems(comparison)
    parts = [
        (tabulate_left_out(comparison), "All syndromes are compared.", "Syndromes that are left out"),
        (unmatched, "Every patient has a control in every run.", "Patients without a control"),
        (problems, "All records and photographs are used.", "Records and photographs with a problem"),
    ]
    blocks = [
        format_subsection(f"{title}: {len(rows) - 1}", format_table(rows) if len(rows) > 1 else otherwise)
        for rows, otherwise, title in parts
    ]
    return format_section("Who could not be compared, and why", *blocks)
