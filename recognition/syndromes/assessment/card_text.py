"""Card of the trained models of a syndrome, in Markdown."""

from __future__ import annotations

from recognition.statistics import Interval
from recognition.syndromes.assessment.answer import NOTICE, Group
from recognition.syndromes.assessment.members import TERM_MODELS, name_face_alone
from recognition.syndromes.assessment.model_files import SyndromeCard
from recognition.syndromes.assessment.novelty_space import bound_refusals


def write_card(card: SyndromeCard) -> str:
    """Return the card as Markdown."""
    lines = [
        f"# Models of {card.syndrome}",
        "",
        f"**{NOTICE}**",
        "",
        "**The file beside this card holds personal data.** It has descriptors and landmarks of the faces of patients "
        "and controls. They name nobody, but a person can be recognised by them. Keep the file as you keep the "
        "photographs. If a consent is withdrawn, delete it, and train again without the person.",
        "",
        f"Trained on {card.created} with {card.software}.",
        "",
        *_describe_cohort(card),
        *_describe_figures(card),
        *_describe_terms(card),
        *_describe_limits(card),
    ]
    return "\n".join(lines)


def _describe_cohort(card: SyndromeCard) -> list[str]:
    lower, upper = card.age_tolerance
    same = "sex and ancestry" if card.ancestry_matched else "sex (ancestry was not matched)"
    return [
        "## People",
        "",
        f"- {describe_people(card.patients, 'patients')}",
        f"- {describe_people(card.controls, 'controls')}",
        *(f"- left out: {count} patients, {reason}" for reason, count in card.unmatched.items()),
        "",
        "A number below 5 is not given, nor one from which it would follow. Ages lie within multiples of 5 years.",
        "",
        f"Each patient is matched with a control of the same {same} and an age of {lower:.2f} to {upper:.2f} "
        f"times the patient's. Controls were drawn {card.draws} times. The mean of the models of all draws answers.",
        "",
    ]


def _describe_figures(card: SyndromeCard) -> list[str]:
    rows = [
        f"| {name} | {_interval(one.auc)} | {_interval(one.sensitivity)} | {_interval(one.specificity)} "
        f"| {one.brier:.3f} | {one.calibration} |"
        for name, one in card.figures.items()
    ]
    return [
        "## Figures",
        "",
        f"Cross-validated in {card.folds} parts, on people whom the models did not see, with 95 % intervals. "
        "Sensitivity and specificity are those of a calibrated probability above 0.5; the Brier score is the mean "
        "squared error of the probability. Patients and controls weigh the same: a probability is that of a group of "
        "which half are patients, unless a prior is given.",
        "",
        "| model | AUC | sensitivity | specificity | Brier score | calibration |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
    ]


def _describe_limits(card: SyndromeCard) -> list[str]:
    faces = card.patients.persons + card.controls.persons
    limits = ", ".join(f"{name} {limit:.3g}" for name, limit in card.novelty_limits.items())
    refused = bound_refusals(faces)
    return [
        "## Limits",
        "",
        f"- No answer is given for a face that lies too far from the nearest one of the {faces} faces of the training: "
        f"beyond {limits} (descriptors have length 1; landmarks are in eye distances). Each limit refuses at most "
        f"{refused:.1%} of faces like those of the training, both together at most {2 * refused:.1%}.",
        "- No answer is given either for a photograph of the training itself. Another photograph of a person of the "
        "training is not noticed; its probabilities do not hold.",
        "- The models compare with controls like those above, and not with other syndromes or with healthy people, "
        "unless these are among the controls.",
        "- The intervals of probabilities are those of the calibration. Other patients would have given other models.",
        *(
            f"- For a person without HPO terms, {name} has a calibration of its own: '{name_face_alone(name)}'."
            for name in TERM_MODELS
            if name_face_alone(name) in card.figures
        ),
        "- Nothing here is clinically validated, and exome evidence is not used.",
        "",
    ]


def describe_people(group: Group, called: str) -> str:
    """Describe a group in numbers: people, sexes, ancestries and ages."""
    counts = [f"{count} {value}" for part in (group.sexes, group.ancestries) for value, count in part.items()]
    youngest, *quartiles, oldest = group.ages
    ages = f"{youngest:g} to {oldest:g} years old"
    if quartiles:
        first, median, third = quartiles
        ages += f" (median {median:g}, quartiles {first:g} and {third:g})"
    return f"{group.persons} {called}: {', '.join([*counts, ages])}"


def _describe_terms(card: SyndromeCard) -> list[str]:
    one = card.term_counts
    if one is None:
        return []
    return [
        f"HPO terms that count: {one.patients:.1f} of a patient and {one.controls:.1f} of a control on "
        f"average. The AUC of this number alone is {_interval(one.auc)}; away from 0.5, models of terms recognise how "
        "thoroughly people were described.",
        "",
    ]


def _interval(one: Interval) -> str:
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"
