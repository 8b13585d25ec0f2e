"""Sections of the report about the answers of participants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from core.reports.html_pages import embed_image, format_facts, format_section, format_table
from studies.analysis.accuracy import describe_groups
from studies.answers.table import FEWEST
from studies.report.answer_plots import plot_accuracies, plot_confidence, plot_confusions, plot_human_and_model
from studies.report.number_formats import format_bounds, format_estimate, format_p

Results = Mapping[str, Any]
Rows = list[list[Any]]
Plots = dict[str, bytes]


def render_answers(results: Results, plots: Plots) -> Iterator[Markup]:
    """Generate the sections, and add their plots.

    Args:
        results: JSON of `gestaltgen study analyse`.
        plots: PNGs by name; those of the sections are added.
    """
    plots["accuracy"] = plot_accuracies(results["accuracies"])
    counts = {name: results[name] for name in ("participants", "answers", "images", "faces")}
    yield format_section(
        "Accuracy",
        format_facts(counts),
        embed_image(plots["accuracy"], "Share of right answers of each group of answers"),
        format_table(_tabulate_accuracies(results["accuracies"])),
        _list_left_out(results["left_out"]),
    )
    if tests := results["variant_tests"]:
        yield format_section(
            "Difference between variants",
            "Second variant minus first. The recommended p takes participants and faces as random. The published "
            "t-test over single answers ignores both and is shown for repetition.",
            format_table(_tabulate_tests(tests)),
        )
    if confusions := results["confusions"]:
        plots["confusion"] = plot_confusions(confusions)
        image = embed_image(plots["confusion"], "Answers to each true condition")
        yield format_section("Confusion of conditions", image)
    if (confidence := results["confidence"]) and confidence["levels"]:
        plots["confidence"] = plot_confidence(confidence["levels"])
        yield format_section(
            "Confidence",
            embed_image(plots["confidence"], "Share of right answers at each level of confidence"),
            "Probability that a participant is surer of a right answer than of a wrong one (0.5 is chance): "
            f"{format_estimate(confidence['discrimination']) or 'not known'}, mean over {confidence['participants']} "
            "participants.",
            f"{confidence['left_out']} levels of fewer than {FEWEST} participants are left out."
            if confidence["left_out"]
            else "",
        )
    if results["smile"]:
        yield format_section(
            "Smile and accuracy",
            "Mean smile of images that were answered right and wrong, and the rank correlation over faces of their "
            "mean smile with the share of right answers; then of the changes of both between two variants.",
            format_table(_tabulate_smile(results["smile"])),
        )
    if results["agreement"]:
        yield format_section("Agreement between participants", format_table(_tabulate_agreement(results["agreement"])))
    if compared := results["human_and_model"]:
        plots["human-and-model"] = plot_human_and_model(compared["groups"])
        correlation = compared["correlation"]
        yield format_section(
            "Participants and classifier",
            embed_image(plots["human-and-model"], "Share of right answers of participants and of the classifier"),
            format_table(_tabulate_model(compared["groups"])),
            "" if correlation is None else "Rank correlation over faces of the share of right answers with the "
            f"classifier's probability of the true condition: {correlation['value']:.2f} "
            f"(p {format_p(correlation['p'])}).",
        )  # fmt: skip


def _list_left_out(groups: Sequence[Mapping[str, str]]) -> str:
    return f"Groups of fewer than {FEWEST} participants are left out: {describe_groups(groups)}." if groups else ""


def _tabulate_accuracies(rows: Sequence[Results]) -> Rows:
    table: Rows = [["answers", "number", "right", "participants", "faces", "accuracy (95 %)"]]
    for row in rows:
        counts = [row[name] for name in ("answers", "correct", "participants", "faces")]
        table.append([", ".join(row["group"].values()) or "all", *counts, format_estimate(row["accuracy"])])
    return table


def _tabulate_tests(rows: Sequence[Results]) -> Rows:
    table: Rows = [
        ["faces", "variants", "right", "difference in logits (95 %)", "in accuracy (95 %)", "p", "Holm",
         "permutation p", "bootstrap (95 %)", "published t-test p"]
    ]  # fmt: skip
    for row in rows:
        first, second = row["variants"]
        right = "; ".join(f"{k} of {n}" for k, n in zip(row["correct"], row["answers"], strict=True))
        shown = [row["problem"], "", ""]
        if (one := row["comparison"]) is not None:
            shown = [
                format_bounds(one["difference"], *one["interval"]),
                format_bounds(one["accuracy_difference"], *one["accuracy_interval"]),
                format_p(one["p"]),
            ]
        table.append(
            [row["condition"] or "all", f"{second} - {first}", right, *shown, format_p(row["holm"]),
             format_p(row["permutation_p"]), format_estimate(row["bootstrap"]), format_p(row["published_p"])]
        )  # fmt: skip
    return table


def _tabulate_smile(rows: Sequence[Results]) -> Rows:
    table: Rows = [
        ["faces", "smile, right", "smile, wrong", "published t-test p", "correlation", "p", "number of faces",
         "correlation of changes", "p", "number of faces"]
    ]  # fmt: skip
    for row in rows:
        cells = [row["condition"] or "all", row["right"], row["wrong"], format_p(row["published_p"])]
        for name in ("correlation", "correlation_of_changes"):
            correlation = row[name] or {"value": None, "p": None, "faces": None}
            cells += [correlation["value"], format_p(correlation["p"]), correlation["faces"]]
        table.append(cells)
    return table


def _tabulate_agreement(rows: Sequence[Results]) -> Rows:
    return [
        ["pictures", "images", "Fleiss' kappa (95 %)", "Krippendorff's alpha (95 %)"],
        *(
            [row["variant"] or "all", row["images"], format_estimate(row["fleiss_kappa"]),
             format_estimate(row["krippendorff_alpha"])]
            for row in rows
        ),
    ]  # fmt: skip


def _tabulate_model(rows: Sequence[Results]) -> Rows:
    table: Rows = [
        ["condition", "age group", "images", "participants (95 %)", "classifier", "p", "Holm", "published p"]
    ]
    for row in rows:
        ps = (format_p(row[name]) for name in ("p", "holm", "published_p"))
        names = (row["condition"] or "all", row["age_group"] or "all")
        table.append([*names, row["images"], format_estimate(row["human"]), row["model"], *ps])
    return table
