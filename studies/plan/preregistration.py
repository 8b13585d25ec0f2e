"""Pre-registration sheet: hypotheses, tests, exclusions and number of participants, fixed before there are answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from studies.answers.exclusions import ExclusionRules
from studies.plan.power import Power, find_participants
from studies.plan.simulate import Effects
from studies.plan.study_design import StudyDesign

_SHEET: Final = """\
# Pre-registration

Pictures may be synthetic or edited. The study measures how people judge pictures; nothing in it is a basis for a
diagnosis. Fill in every line that begins with `To fill in`, and register the sheet before the first answer is
there.

- To fill in: title, authors, date, ethics approval, registry.
- To fill in: who takes part, how they are invited, and how consent is given.
- Written by gestaltgen {version}; design `{design}`.

## Design

- {faces} faces, each in the variants {variants}.
- {count} versions ({versions}). Each participant sees one version, and each face at most once.
- Options of each question: {options}.

| condition | age group | faces | shown to each participant | assumed share of right answers |
|---|---|---|---|---|
{groups}

## Hypotheses and tests

1. Primary: the log odds of a right answer differ between {second} and {first} pictures of the same faces. Mixed
   logistic regression with crossed random intercepts and slopes of participants and faces, and Satterthwaite's
   degrees of freedom (`gestaltgen study analyse`). Two-sided, level {level:g}. Reported with the difference in
   accuracy and 95 % intervals of both.
2. Secondary: the same within each condition, with Holm's correction over the conditions.
3. Described, not tested: confusion of conditions, confidence against accuracy, smile against accuracy, agreement.

The t-test over single answers, which ignores who answered and which face it was, is reported for comparison only.

## Exclusions

{exclusions}

`gestaltgen study import` counts the exclusions by reason, and the report states the counts.

## Number of participants

Assumed log odds of {second} minus {first} pictures: {effect:+.2f}. Assumed standard deviations in logits: between
participants {participant_sd:.2f}, between faces {face_sd:.2f}, of the effect between participants
{participant_slope_sd:.2f}, of the effect between faces {face_slope_sd:.2f}. Seed of the simulations: {seed}.

| participants | power | 95 % interval of the simulation | simulated studies |
|---|---|---|---|
{powers}

- {conclusion}
- To fill in: when recruitment ends, and that no test is made before.
"""


@dataclass(frozen=True)
class StudyPlan:
    """Plan of a study that compares two variants of the same faces.

    Attributes:
        design: with its faces; the number of participants follows from the powers.
        effects: assumed in the simulations.
        powers: power by number of participants.
        rules: exclusions.
        level: of the tests.
        target: power to reach.
        seed: of the simulations.
        version: of gestaltgen.
    """

    design: StudyDesign
    effects: Effects
    powers: tuple[Power, ...]
    rules: ExclusionRules
    level: float
    target: float
    seed: int
    version: str

    @property
    def participants(self) -> int | None:
        """Least number of participants that reaches the power; None if none of those tried does."""
        return find_participants(self.powers, self.target)


def format_sheet(plan: StudyPlan) -> str:
    """Format the sheet as Markdown; what only the authors know is left as a line to fill in."""
    design, effects = plan.design, plan.effects
    first, second = design.variants
    return _SHEET.format(
        version=plan.version,
        design=design.name,
        faces=design.faces,
        variants=", ".join(design.variants),
        count=len(design.versions),
        versions=", ".join(design.versions),
        options=", ".join(design.options),
        groups="\n".join(
            f"| {one.condition} | {one.age_group or 'all'} | {one.faces} | {one.shown} | {one.accuracy:.3f} |"
            for one in design.groups
        ),
        first=first,
        second=second,
        level=plan.level,
        exclusions="\n".join(f"- {sentence}" for sentence in describe_exclusions(plan.rules)),
        effect=effects.variants.get(second, 0.0),
        participant_sd=effects.participant_sd,
        face_sd=effects.face_sd,
        participant_slope_sd=effects.participant_slope_sd,
        face_slope_sd=effects.face_slope_sd,
        seed=plan.seed,
        powers="\n".join(
            "| {} | {:.2f} | {:.2f} to {:.2f} | {} |".format(one.participants, one.share, *one.interval, one.studies)
            for one in plan.powers
        ),
        conclusion=_conclude(plan),
    )


def describe_exclusions(rules: ExclusionRules) -> Iterator[str]:
    """Describe the exclusions in sentences."""
    if not rules.unfinished:
        images = "all images of its version" if rules.images is None else f"{rules.images} images"
        yield f"A survey that was not submitted, or in which not {images} were answered, is left out."
    if rules.least_seconds:
        yield f"A survey in which the median time of an answer is below {rules.least_seconds:g} s is left out."
    yield "Previews, tests and spam are left out."
    yield (
        "A participant who saw images of more than one version, whom the answers do not name, or who is named by an "
        "e-mail address, is left out."
    )
    yield "The first survey of a participant that is kept by these rules is used; further ones are left out."
    yield "If dates do not tell which survey of a participant was the first, all of them are left out."
    yield "An image that was answered twice in one survey is left out with both answers."
    yield "Answers to images that are not in the key, and answers that are no option, are left out and reported."


def _conclude(plan: StudyPlan) -> str:
    if plan.participants is None:
        return f"None of these numbers reaches a power of {plan.target:g}. To fill in: how many take part, and why."
    return f"{plan.participants} participants after exclusions, the least number with a power of {plan.target:g}."
