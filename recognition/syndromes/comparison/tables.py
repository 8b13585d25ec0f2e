"""Tables of a comparison, as rows of which the first is the header."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from core.statistics.multiple_tests import holm
from recognition.syndromes.cohorts.runs import count_controls
from recognition.syndromes.cohorts.scores import Spread
from recognition.syndromes.comparison.comparison import Comparison, Matched, Result

Rows: TypeAlias = list[list[Any]]

SCORES: Final = ("auc", "specificity", "sensitivity")


def select_results(comparison: Comparison, scheme: str, *, opponents: bool = False) -> tuple[Result, ...]:
    """Return the results by one scheme, against controls or against other syndromes."""
    chosen = [one for one in comparison.results if one.scheme == scheme]
    return tuple(one for one in chosen if (one.opponent is not None) == opponents)


def tabulate_results(comparison: Comparison, scheme: str) -> Rows:
    """Tabulate all models by syndrome, as the thesis did: number of patients, then means with deviations over runs.

    Mean intervals of the runs, p, and p corrected by Holm for all p of the table, are added.
    """
    results = select_results(comparison, scheme)
    corrected = iter(holm([one.summary.p for one in results if one.summary.p is not None]))
    scores = [cell for score in ("AUC", "specificity", "sensitivity") for cell in (score, "95 %")]
    rows: Rows = [["syndrome", "model", "N", *scores, "tested AUC", "p", "p (Holm)"]]
    for one in results:
        summary = one.summary
        spreads = [getattr(summary, score) for score in SCORES]
        cells = [
            cell for spread in spreads for cell in (format_spread(spread), f"{spread.low:.2f} to {spread.high:.2f}")
        ]
        tests = ["", "", ""]
        if summary.p is not None:
            tests = [f"{summary.tested_area:.3f}", f"{summary.p:.3f}", f"{next(corrected):.3f}"]
        rows.append([one.syndrome, one.model, f"{summary.pairs:.4g}", *cells, *tests])
    return rows


def format_spread(spread: Spread) -> str:
    """Format a mean and, if there is one, its deviation over runs."""
    return f"{spread.mean:.3f}" + ("" if math.isnan(spread.deviation) else f" ({spread.deviation:.3f})")


def tabulate_left_out(comparison: Comparison) -> Rows:
    """Tabulate the syndromes that all models or some leave out, with the reason."""
    rows: Rows = [["syndrome", "patients", "models", "reason"]]
    for one in comparison.left_out:
        rows.append([one.syndrome, one.patients, ", ".join(one.models) or "all", one.reason])
    return rows


def tabulate_runs(comparison: Comparison) -> Rows:
    """Tabulate every run: scores with their intervals and p."""
    bounds = [f"{score}{part}" for score in SCORES for part in ("", "_low", "_high")]
    rows: Rows = [["syndrome", "opponent", "model", "scheme", "run", "patients", "controls", *bounds, "p"]]
    for one in comparison.results:
        for number, run in enumerate(one.runs, 1):
            intervals = [getattr(run.scores, score) for score in SCORES]
            values = [value for interval in intervals for value in (interval.value, interval.low, interval.high)]
            numbers = [number, run.scores.patients, run.scores.controls, *values, run.p]
            rows.append([one.syndrome, one.opponent, one.model, one.scheme, *numbers])
    return rows


def tabulate_cohort(comparison: Comparison) -> Rows:
    """Tabulate the syndromes: patients, those with a control in each run, and the number of different controls used."""
    rows: Rows = [["syndrome", "model", "patients", "matched in each run", "different controls"]]
    for (syndrome, model), runs in _group_runs(comparison).items():
        numbers = [len(one.matching.pairs) for one in runs]
        patients = len(comparison.cohort.patients(syndrome))
        matchings = [one.matching for one in runs]
        row = [syndrome, model, patients, ", ".join(map(str, numbers)), count_controls(matchings)]
        if rows[-1][0] == syndrome and rows[-1][2:] == row[2:]:
            rows[-1][1] += f", {model}"
        else:
            rows.append(row)
    return rows


def summarise_people(comparison: Comparison) -> Iterator[str]:
    """Yield in words how many patients with each syndrome are compared, and how many people are not."""
    for syndrome, models, patients, pairs, _ in tabulate_cohort(comparison)[1:]:
        yield f"{syndrome}: {patients} patients, pairs in each run: {pairs} ({models})"
    left_out = {one.syndrome for one in comparison.left_out}
    unmatched = len(tabulate_unmatched(comparison)) - 1
    yield f"syndromes left out by all or some models: {len(left_out)}"
    yield f"patients of the others without a control in some run: {unmatched}"
    yield f"problems of records and photographs: {len(comparison.cohort.problems)}"


def tabulate_unmatched(comparison: Comparison) -> Rows:
    """Tabulate the patients who had no control in some run, with the reason."""
    runs: dict[tuple[Any, ...], set[int]] = defaultdict(set)
    for one in comparison.matched:
        if one.opponent is None:
            for person, reason in one.matching.unmatched:
                key = (one.syndrome, person.person, person.file, person.sex, person.ancestry, person.age, reason.value)
                runs[key].add(one.run + 1)
    header = ["syndrome", "person", "file", "sex", "ancestry", "age", "reason", "runs"]
    return [header, *([*key, ", ".join(map(str, sorted(numbers)))] for key, numbers in sorted(runs.items()))]


def tabulate_problems(comparison: Comparison) -> Rows:
    """Tabulate the records that could not be used, or not fully, with the reason."""
    rows: Rows = [["file", "person", "problem", "used"]]
    for problem in comparison.cohort.problems:
        rows.append([problem.file, problem.person, problem.reason, "yes" if problem.used else "no"])
    rows += [[file, "", reason, "without this term"] for file, reason in comparison.unusable_terms]
    rows += [[file, "", reason, "by some models"] for file, reason in sorted(comparison.gaps.items())]
    return rows


def tabulate_terms(comparison: Comparison) -> Rows:
    """Tabulate the mean numbers of HPO terms, and the area under the curve of the number alone, in the first run."""
    rows: Rows = [["syndrome", "terms of a patient", "terms of a control", "AUC of the number"]]
    for syndrome, one in comparison.term_counts.items():
        auc = f"{one.auc.value:.3f} ({one.auc.low:.3f} to {one.auc.high:.3f})"
        rows.append([syndrome, f"{one.patients:.1f}", f"{one.controls:.1f}", auc])
    return rows


def tabulate_predictions(comparison: Comparison) -> Rows:
    """Tabulate the probability of every person in every run against controls."""
    rows: Rows = [["syndrome", "model", "scheme", "run", "pair", "person", "file", "patient", "probability"]]
    for one in comparison.results:
        for number, run in enumerate(one.runs if one.opponent is None else (), 1):
            labels, pairs = run.matching.labels, run.matching.pair_numbers
            for place, person in enumerate(run.matching.people):
                about = [one.syndrome, one.model, one.scheme, number, int(pairs[place]) + 1, person.person, person.file]
                rows.append([*about, "yes" if labels[place] else "no", float(run.probabilities[place])])
    return rows


def tabulate_distances(comparison: Comparison) -> Rows:
    """Tabulate the most important distances of each syndrome."""
    rows: Rows = [["syndrome", "rank", "distance", "importance", "points"]]
    for syndrome, answer in comparison.important.items():
        for rank, one in enumerate(answer["distances"], 1):
            points = "; ".join("-".join(map(str, pair)) for pair in one["points"])
            rows.append([syndrome, rank, one["name"], f"{one['importance']:.4f}", points])
    return rows


def _group_runs(comparison: Comparison) -> dict[tuple[str, str], list[Matched]]:
    runs: dict[tuple[str, str], list[Matched]] = defaultdict(list)
    for one in comparison.matched:
        if one.opponent is None:
            runs[one.syndrome, one.model].append(one)
    return runs


def find_areas(comparison: Comparison, model: str) -> Iterator[tuple[tuple[str, str], tuple[float, int]]]:
    """Yield each two syndromes with the area under the curve of a model, and the number of pairs."""
    for one in comparison.results:
        if one.opponent is not None and one.model == model:
            scores = one.runs[0].scores
            yield (one.syndrome, one.opponent), (scores.auc.value, scores.patients)
