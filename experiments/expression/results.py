"""Results of the experiment: OUT/table.md, OUT/effects.png, OUT/sheet.png and OUT/results.json."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from core.atomic_files import write_file
from editing.latent_editor import NOTICE
from experiments.expression.classifiers import ARM_PLANTED, ARMS, ExpressionPlan, predict_views
from experiments.expression.edits import EditAnswer, locate_pictures, read_answers, summarise_answers
from experiments.expression.effects import CHANGES, REST_TO_SMILE, TO_REST, TO_SMILE, EditEffect, Views, measure_effects
from experiments.expression.views import DRAWN, IDEAL, MADE, PHOTOGRAPH, RECONSTRUCTION, REST, SMILE, TARGETS, TEST_SET
from faces.contact_sheets import contact_sheet
from faces.images import encode_png, read_image
from recognition.images.samples import Sample, load_real_samples
from recognition.predictions import Predictions

PATEL: Final[Mapping[str, tuple[float, float]]] = {
    "22q11DS": (0.942, 0.845),
    "Angelman": (0.725, 0.597),
    "Noonan": (0.879, 0.725),
    "Williams": (0.984, 0.988),
}
"""Patel et al. 2024 (Bioinformatics 40:i110): probability of the true label, reconstructed and with the expression
changed, of photographs of patients."""

_COLOURS: Final = {TO_SMILE.name: "#c05621", TO_REST.name: "#2b6cb0", REST_TO_SMILE.name: "#2f855a"}
_GRID: Final = "#e2e8f0"
_STEP: Final = 0.13  # between marks, of an arm's band
_SIGNIFICANT: Final = 0.05


@dataclass(frozen=True)
class ExpressionResults:
    """Figures of the experiment, for each arm by its name.

    Attributes:
        effects: effects of the service's edits, for every change and condition.
        drawn: effects of the perfect edits, likewise.
        good: effect of a smile against rest, for the faces alone whose pictures the service all rates as good.
        left: the same for all faces, less that of the planted classifiers.
        accuracy: mean over conditions and seeds, by view.
        edits: summary of the service's answers about the test faces and the training faces.
    """

    effects: Mapping[str, Sequence[EditEffect]]
    drawn: Mapping[str, Sequence[EditEffect]]
    good: Mapping[str, Sequence[EditEffect]]
    left: Mapping[str, Sequence[EditEffect]]
    accuracy: Mapping[str, Mapping[str, float]]
    edits: Mapping[str, Mapping[str, Any]]


def write_results(out: Path, plan: ExpressionPlan, seeds: Sequence[int]) -> str:
    """Measure the arms that are not measured yet, and write all results; returns the table."""
    answers_of = {name: read_answers(locate_pictures(out, name), count) for name, count in plan.scale.sent.items()}
    runs = {arm.name: [predict_views(arm, out, seed) for seed in seeds] for arm in ARMS}
    results = collect_results(runs, {sample.person for sample in _select_good(out, answers_of[TEST_SET])}, answers_of)
    about = plan.to_json() | {"seeds": list(seeds), "generator": _describe_generator(out), "patel": PATEL}
    write_file(out / "results.json", (json.dumps(about | asdict(results), indent=1) + "\n").encode())
    write_file(out / "effects.png", plot_effects(results))
    write_file(out / "sheet.png", _draw_sheet(out, answers_of[TEST_SET]))
    table = format_tables(results)
    write_file(out / "table.md", table.encode())
    return table


def collect_results(
    runs: Mapping[str, Sequence[Views]], good: Collection[str], said: Mapping[str, Sequence[EditAnswer]]
) -> ExpressionResults:
    """Compute all figures.

    Args:
        runs: predictions of the ensemble of each seed, by arm.
        good: persons whose pictures the service rates as good.
        said: answer about each face, by data set.
    """
    planted = runs[ARM_PLANTED.name]
    return ExpressionResults(
        effects={arm: [row for change in CHANGES for row in measure_effects(of, change)] for arm, of in runs.items()},
        drawn={
            arm: [row for change in CHANGES for row in measure_effects(of, change, drawn=True)]
            for arm, of in runs.items()
        },
        good={arm: measure_effects(of, REST_TO_SMILE, only=good) for arm, of in runs.items()},
        left={arm: measure_effects(of, REST_TO_SMILE, less=planted) for arm, of in runs.items() if of is not planted},
        accuracy={arm: _measure_accuracy(of) for arm, of in runs.items()},
        edits={Path(name).stem: summarise_answers(answered) for name, answered in said.items()},
    )


def format_tables(results: ExpressionResults) -> str:
    """Format all tables as Markdown."""
    lines = [
        *_format_effects(results),
        *_format_smile_effects(results),
        *_format_accuracies(results),
        *_format_edits(results),
        *_format_patel(),
    ]
    return "\n".join(lines) + "\n"


def _format_effects(results: ExpressionResults) -> Iterator[str]:
    yield (
        "**Probability of the true condition**, edited against the reconstruction of the same face; on the right the "
        "same persons drawn with that smile, against their photograph.\n"
    )
    titles = "trained on|condition|edit|persons|reconstructed|edited|difference|p|p, Holm|drawn: difference"
    yield from _format_header(titles, text=3)
    for arm, row, ideal in _pair_effects(results):
        if row.change != REST_TO_SMILE.name:
            means = f"{row.before:.3f}", f"{row.after:.3f}"
            tested = _format_interval(row), _format_p(row.p), _format_p(row.p_holm)
            yield _format_row(arm, row.condition, row.change, row.persons, *means, *tested, _format_interval(ideal))


def _format_smile_effects(results: ExpressionResults) -> Iterator[str]:
    yield (
        "\n**The same face with a smile against at rest**, both edited; what is left of the planted classifiers' "
        "difference; and the difference on the faces alone whose reconstruction and edits are all good.\n"
    )
    titles = "trained on|condition|at rest|smiling|difference|p, Holm|drawn: difference|of the drawn"
    yield from _format_header(f"{titles}|less planted's|p, Holm|good faces|their difference", text=2)
    for arm, row, ideal in _pair_effects(results):
        if row.change == REST_TO_SMILE.name:
            left, good = (_find_condition(rows.get(arm, ()), row.condition) for rows in (results.left, results.good))
            means = f"{row.before:.3f}", f"{row.after:.3f}"
            tested = (
                _format_interval(row),
                _format_p(row.p_holm),
                _format_interval(ideal),
                _format_recovered(row, ideal),
            )
            against = (_format_interval(left), _format_p(left.p_holm)) if left else ("", "")
            vouched = (good.persons, _format_interval(good)) if good else (0, "")
            yield _format_row(arm, row.condition, *means, *tested, *against, *vouched)


def _pair_effects(results: ExpressionResults) -> Iterator[tuple[str, EditEffect, EditEffect]]:
    """Iterate over arm, effect, and effect of the perfect edit."""
    for arm, rows in results.effects.items():
        ideal = {(row.condition, row.change): row for row in results.drawn[arm]}
        yield from ((arm, row, ideal[row.condition, row.change]) for row in rows)


def _find_condition(rows: Sequence[EditEffect], condition: str) -> EditEffect | None:
    return next((row for row in rows if row.condition == condition), None)


def _format_accuracies(results: ExpressionResults) -> Iterator[str]:
    views = next(iter(results.accuracy.values()))
    yield "\n**Accuracy** on the views of the test faces, mean of conditions and seeds.\n"
    yield from _format_header("trained on|" + "|".join(view.replace("-", " ") for view in views), text=1)
    for arm, by_view in results.accuracy.items():
        yield _format_row(arm, *(f"{share:.1%}" for share in by_view.values()))


def _format_edits(results: ExpressionResults) -> Iterator[str]:
    yield "\n**What the service said of its edits.**\n"
    yield from _format_header("faces|sent|refused|edit|arrived|mean smile|good|reasons of the others", text=1)
    for name, counts in results.edits.items():
        refused = sum(counts["refused"].values())
        made = counts["faces"] - refused
        for view in (SMILE, REST):
            one = counts[view]
            because = "; ".join(f"{reason}: {count}" for reason, count in one["because"].items())
            asked, good = f"to {view}, {one['target']:g}", _format_share(one["verdicts"].get("good", 0), made)
            arrived = _format_share(one["arrived"], made), f"{one['mean smile']:.2f}"
            yield _format_row(name, counts["faces"], refused, asked, *arrived, good, because)
    for name, counts in results.edits.items():
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counts[RECONSTRUCTION]["verdicts"].items())
        reasons = "".join(f"; refused, {reason}: {count}" for reason, count in counts["refused"].items())
        yield f"\nReconstructions of {name}: {verdicts}{reasons}."


def _format_patel() -> Iterator[str]:
    yield "\n**Patel et al. 2024**, photographs of patients: probability of the true label.\n"
    yield from _format_header("condition|reconstructed|expression changed|difference", text=1)
    for condition, (before, after) in PATEL.items():
        yield _format_row(condition, f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}")


def plot_effects(results: ExpressionResults) -> bytes:
    """Plot the effect of each change as PNG, by condition and arm with its interval, beside the perfect edits."""
    conditions = list(dict.fromkeys(row.condition for _, row, _ in _pair_effects(results)))
    reach = 1.06 * max(
        0.05, *(abs(end) for _, *pair in _pair_effects(results) for row in pair for end in _list_ends(row))
    )
    size = 2.6 + 2.9 * len(conditions), 1.9 + 1.15 * len(results.effects)
    figure = Figure(figsize=size, dpi=110, layout="constrained", facecolor="white")
    axes: Any = np.atleast_1d(figure.subplots(1, len(conditions), sharey=True))
    for axis, condition in zip(axes, conditions, strict=True):
        axis.axvline(0, color="#4a5568", linewidth=1)
        for border in range(1, len(results.effects)):
            axis.axhline(border - 0.5, color=_GRID, linewidth=1)
        for arm, *pair in _pair_effects(results):
            if pair[0].condition == condition:
                _draw_marks(axis, list(results.effects).index(arm), *pair)
        axis.set_title(condition, fontsize=11)
        axis.set_xlim(-reach, reach)
        axis.grid(axis="x", color=_GRID)
        axis.set_axisbelow(True)
        axis.tick_params(labelsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_yticks(
        range(len(results.effects)), [name.replace(" + ", "\n+ ") for name in results.effects], fontsize=10
    )
    axes[0].set_ylim(len(results.effects) - 0.45, -0.55)
    figure.supxlabel(
        "change of the probability of the true condition, 95 % interval by person; "
        f"filled: p < {_SIGNIFICANT} after Holm's correction",
        fontsize=9,
    )
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(CHANGES), frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_marks(axis: Any, place: int, edited: EditEffect, ideal: EditEffect) -> None:
    """Draw one change, edited and below it drawn, within the band of its arm."""
    nth = [change.name for change in CHANGES].index(edited.change)
    colour = _COLOURS[edited.change]
    for below, row in enumerate((edited, ideal)):
        value, (low, high) = row.difference.value, _list_ends(row)
        axis.errorbar(
            value, place + _STEP * (2 * nth + below - len(CHANGES) + 0.5),
            xerr=[[max(0.0, value - low)], [max(0.0, high - value)]], fmt="s" if below else "o", color=colour,
            markerfacecolor=colour if row.p_holm < _SIGNIFICANT else "white", capsize=2.5, linewidth=1.2,
            markersize=4 if below else 6, alpha=0.5 if below else 1.0,
            label=None if place else f"{row.change}, {'drawn' if below else 'edited'}",
        )  # fmt: skip


def _draw_sheet(out: Path, said: Sequence[EditAnswer]) -> bytes:
    """Draw a smiling and an unsmiling face of each condition: as sent, as the service made it, and perfectly edited."""
    drawn, folder = (
        {view: load_real_samples(out / data) for view, data in DRAWN.items()},
        locate_pictures(out, TEST_SET),
    )
    photographs = drawn[PHOTOGRAPH]
    rows, titles = [], []
    for place in _choose_faces([str(sample.condition) for sample in photographs.samples], said):
        made = [read_image(folder / f"{place:04d}-{view}.png") for view in MADE]
        rows.append([photographs.image(place), *made, *(drawn[IDEAL[view]].image(place) for view in (SMILE, REST))])
        sample = photographs.samples[place]
        titles.append(f"{sample.condition}\n{sample.age_group}".replace("_", " "))
    smiles = [f"{view}, {TARGETS[view]:g}" for view in (SMILE, REST)]
    sheet = contact_sheet(
        rows,
        row_titles=titles,
        column_titles=["photograph", "reconstructed", *smiles, "drawn smile", "drawn rest"],
        title="Faces of the expression experiment",
        footer=f"Phantoms: drawings of nobody, sent as photographs. {NOTICE}",
    )
    return encode_png(sheet)


def _choose_faces(conditions: Sequence[str], said: Sequence[EditAnswer]) -> Iterator[int]:
    """Choose, for each condition, the first face that smiles and the first that does not."""
    for condition in dict.fromkeys(conditions):
        own = [n for n, one in enumerate(said) if one.refused is None and conditions[n] == condition]
        smiling = [said[place].edits[SMILE]["smile_before"] > 0.5 for place in own]
        yield from (own[smiling.index(wanted)] for wanted in (True, False) if wanted in smiling)


def _select_good(out: Path, said: Sequence[EditAnswer]) -> Iterator[Sample]:
    return (sample for sample, one in zip(load_real_samples(out / TEST_SET).samples, said, strict=True) if one.good)


def _describe_generator(out: Path) -> str:
    """Say whether the training images of the generator are known; none of them is sent."""
    known = all(part["complete"] for part in json.loads((out / "edited" / "generator.json").read_bytes()))
    return "says which images it was trained on" if known else "does not say all images that it was trained on"


def _measure_accuracy(runs: Sequence[Views]) -> dict[str, float]:
    """Compute the mean accuracy over conditions and seeds, by view."""

    def measure_balanced(of: Predictions) -> float:
        return float(np.mean([of.correct[of.truths == k].mean() for k in np.unique(of.truths)]))

    return {view: float(np.mean([measure_balanced(run[view]) for run in runs])) for view in (*DRAWN, *MADE)}


def _format_recovered(edited: EditEffect, ideal: EditEffect) -> str:
    """Format the share of the perfect edit's effect, if that is significant."""
    low, high = _list_ends(ideal)
    return f"{edited.difference.value / ideal.difference.value:.0%}" if low > 0 or high < 0 else ""


def _list_ends(row: EditEffect) -> tuple[float, float]:
    return row.difference.low, row.difference.high


def _format_interval(row: EditEffect) -> str:
    return f"{row.difference.value:+.3f} ({row.difference.low:+.3f} to {row.difference.high:+.3f})"


def _format_p(p: float) -> str:
    return f"{p:.4f}" if p < 0.001 else f"{p:.3f}"


def _format_share(count: int, of: int) -> str:
    return f"{count} of {of} ({count / max(1, of):.0%})"


def _format_header(titles: str, text: int) -> tuple[str, str]:
    """Return the two lines that a table starts with.

    Args:
        titles: titles of the columns, with | between them.
        text: number of columns with words, which come first; the others have numbers.
    """
    names = titles.split("|")
    return _format_row(*names), _format_row(*(["---"] * text + ["--:"] * (len(names) - text)))


def _format_row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
