"""Section "Comparison on phantoms" of docs/syndromes.md, written from the files of the experiments."""

from __future__ import annotations

import json
import re
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from core.atomic_files import write_file
from experiments.syndromes.learning import FIGURE, RESULTS, LearningScale
from experiments.syndromes.people import (
    CLEAR,
    CONTROL_COUNT,
    CONTROLS,
    HARDLY_VISIBLE,
    MILD,
    OTHER_CAUSES,
    SYNDROMES,
)

TABLE: Final = "table.md"
PAGE: Final = Path("docs/syndromes.md")
CURVES: Final = "syndromes-patients.png"
"""Curves of learning beside the page."""

_WIDTH: Final = 128
_HEADING: Final = "## Comparison on phantoms"
_SECTION: Final = re.compile(rf"{_HEADING}\n.*?(?=\n## )", re.DOTALL)

_PEOPLE: Final = (
    "Phantoms are drawn faces ([phenotypes](phenotypes.md)), so that every figure here is about methods and none about "
    "patients.",
    "- *Syndromes.* There are twelve. In the thesis the number of patients with a syndrome differs between the models; "
    "here it is the largest of these numbers.",
    f"- *Controls.* There are {CONTROL_COUNT} of the class `{CONTROLS}`. Every second one has one of the conditions "
    f"{', '.join(OTHER_CAUSES)}, drawn at {MILD:g} of its typical strength; the others have no feature.",
    f"- *Strength.* The features of patients are drawn at {CLEAR:g} of their typical strength (clear), {MILD:g} (mild) "
    f"or {HARDLY_VISIBLE:g} (hardly visible). The syndromes are sorted by number of patients, and take the three "
    "strengths in turn, so that the strength does not depend on the number of patients.",
    "- *HPO terms.* Each person has terms, drawn by their frequency in the catalogue.",
    "- *Age, sex and skin* are drawn. Half of all people are younger than nine years, and one in six is older than "
    "nineteen. Men have a wider jaw, thicker brows, thinner lips and may have a beard; three groups of skin tones "
    "stand for ancestry; faces grow. A phantom has no ancestors, and its sexes and ages differ more regularly than "
    "those of people.",
)
"""Introduction of the section: a paragraph, and the items of a list."""


def write_section(out: Path) -> list[str]:
    """Write what the files say into the section; returns the names of the experiments that the page does not have.

    The part of an experiment whose files are not there stays as it is.

    Args:
        out: folder of all experiments.
    """
    page = PAGE.read_text("utf-8")
    parts, absent = [_HEADING, "", _fill(_PEOPLE[0]), "", *map(_fill, _PEOPLE[1:])], []
    for name, (heading, describe) in _EXPERIMENTS.items():
        if (out / name / TABLE).exists():
            parts += ["", heading, "", *describe(out / name)]
        elif written := re.search(rf"{re.escape(heading)}\n.*?(?=\n##|\nNot measured yet)", page, re.DOTALL):
            parts += ["", written[0].rstrip()]
        else:
            absent.append(name)
    if absent:
        commands = ", ".join(f"`python -m experiments.syndromes {name}`" for name in absent)
        parts += [
            "",
            _fill(f"Not measured yet: {commands}. `python -m experiments.syndromes document` adds the figures."),
        ]
    section = "\n".join(parts) + "\n"
    write_file(PAGE, _SECTION.sub(lambda _: section, page).encode())
    return absent


def _fill(text: str) -> str:
    """Break a paragraph, or an item of a list, into lines as long as those of the page."""
    indent = "  " if text.startswith("- ") else ""
    return textwrap.fill(
        " ".join(text.split()), _WIDTH, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _compare(folder: Path) -> Iterator[str]:
    about = json.loads((folder / "results.json").read_bytes())
    against = [one for one in about["results"] if one["opponent"] is None]
    runs = about["settings"]["runs"]
    seconds = sum(one["seconds"] for one in about["results"] if one["model"] != "ensemble")
    if len({one["syndrome"] for one in against}) < len(SYNDROMES):
        yield "**A trial with few people, not the experiment that is described above.**"
        yield ""
    yield _fill(
        f"Leave-one-out, mean and deviation over {runs} {'run' if runs == 1 else 'runs'} (`python -m "
        f"experiments.syndromes compare`; {about['people']} people, of whom {about['controls']} are controls). N is "
        "the number of patients with a control. The thesis's figures are those of photographs of real patients; the "
        "faces here are drawn at the strength of the second column, so that the two halves of the table can agree "
        f"only by chance. `neighbours` stands for Deepface. All predictions together took {seconds / 60:.0f} minutes "
        "of processor time, shared by two processes; the features of the faces are not counted."
    )
    yield ""
    yield (folder / TABLE).read_text("utf-8").rstrip()
    if len(about["settings"]["schemes"]) > 1:
        yield ""
        yield from _compare_schemes(against)


def _compare_schemes(against: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the mean area over the syndromes by each scheme."""
    models = [*dict.fromkeys(one["model"] for one in against)]
    schemes = [*dict.fromkeys(one["scheme"] for one in against)]
    yield "Mean area over the syndromes, by both schemes of validation:"
    yield ""
    yield f"| scheme | {' | '.join(models)} |"
    yield "|---" * (1 + len(models)) + "|"
    for scheme in schemes:
        cells = []
        for model in models:
            values = [
                one["summary"]["auc"]["mean"] for one in against if (one["model"], one["scheme"]) == (model, scheme)
            ]
            cells.append(f"{sum(values) / len(values):.3f}")
        yield f"| {scheme.replace('_', ' ')} | {' | '.join(cells)} |"


def _learn(folder: Path) -> Iterator[str]:
    yield _fill(
        "The table has the area on unseen people, who are the same for every number of patients (`python -m "
        "experiments.syndromes learn`): the mean, and in brackets the deviation over draws of the training people. "
        "After the semicolon is the area by leave-one-out on the same training people, which is what a laboratory "
        f"would report. It is measured up to {LearningScale.most_left_out} patients."
    )
    yield ""
    write_file(PAGE.parent / CURVES, (folder / FIGURE).read_bytes())
    yield f"![curves of learning]({CURVES})"
    yield ""
    yield (folder / TABLE).read_text("utf-8").rstrip()
    yield ""
    yield _fill(_compare_with_leave_one_out(json.loads((folder / RESULTS).read_bytes())))


def _compare_with_leave_one_out(points: list[dict[str, Any]]) -> str:
    """Say how far leave-one-out falls below the area on unseen people."""
    gaps: dict[int, list[float]] = defaultdict(list)
    for point in points:
        if point["reported"] is not None:
            gaps[point["patients"]].append(point["unseen"][0] - point["reported"][0])
    means = ", ".join(
        f"{np.mean(gap):.2f} with {number} patients (at most {max(gap):.2f})" for number, gap in gaps.items()
    )
    return (
        f"**Leave-one-out understates a model of few patients**: its area lies below that on unseen people by {means}, "
        "in the mean over models and strengths. When a patient is left out, the model has one patient less, but still "
        "the control of that patient, so that the nearest faces are more often controls."
    )


def _match(folder: Path) -> Iterator[str]:
    yield _fill(
        "Here the syndrome changes nothing in the face. Four of five patients are boys, all are two to five years old, "
        "and the controls are those of the clinic. An area of 0.5 is therefore right. Where it is larger, a model "
        "recognises age and sex in place of the syndrome (`python -m experiments.syndromes match`; five folds, mean "
        "and deviation over draws of controls)."
    )
    yield ""
    yield (folder / TABLE).read_text("utf-8").rstrip()


def _synthesise(folder: Path) -> Iterator[str]:
    yield _fill(
        'Here "real" people are phantoms, and synthetic people are images that the shipped generator of phantoms '
        "makes. Synthetic patients with 22q11DS, and as many synthetic controls, are added to the training only. The "
        "table has areas on unseen real people (`python -m experiments.syndromes synthesise`; mean and deviation over "
        f"draws of the training people). The features of the real patients are drawn mildly ({MILD:g}), whereas the "
        "generator was trained on thousands of phantoms whose features are as strong as those of textbooks. A "
        "generator that was trained on the laboratory's own few patients has less to add."
    )
    yield ""
    yield (folder / TABLE).read_text("utf-8").rstrip()


_EXPERIMENTS: Final = {
    "compare": ("### The thesis's table beside ours", _compare),
    "learn": ("### How many patients are needed?", _learn),
    "match": ("### What does matching prevent?", _match),
    "synthesise": ("### What do synthetic faces add?", _synthesise),
}
"""Heading and text of each experiment, in the order of the page."""
