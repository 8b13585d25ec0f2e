"""Results of a leakage audit, their verdict, and the JSON of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from core.json_text import to_json_text
from faces.images import Pixels
from faces.measures.distances import Features
from faces.measures.training_people import TrainingPeople
from gen.evaluation.audit.closeness import QUANTILES, Closeness
from gen.evaluation.audit.extraction import Extraction
from gen.evaluation.audit.membership import Attack, Scores

NOTICE: Final = "An audit finds leaks; it does not prove that there are none."

SIGNIFICANT: Final = 0.05
"""Level of the attacks."""

DIFFERENT: Final = 0.01
"""Level of the test whether members and unseen people are of the same source."""


@dataclass(frozen=True)
class AuditReport:
    """Results of an audit.

    Attributes:
        about: what was audited, with which people and how.
        closeness: by measure.
        attacks: membership attacks.
        blind: the attack that knows no generator.
        extraction: by measure.
        left_out: measure or attack -> reason why it was not done.
        distances: measure -> distances of the images, and of the unseen people, to the nearest training person.
        scores: of each attack.
        pairs: generated images with the nearest training person; empty unless they were asked for.
        training_people: descriptors of the training people; None unless they were asked for.
    """

    about: Mapping[str, Any]
    closeness: tuple[Closeness, ...]
    attacks: tuple[Attack, ...]
    blind: Attack
    extraction: tuple[Extraction, ...]
    left_out: Mapping[str, str]
    distances: Mapping[str, tuple[Features, Features]] = field(repr=False)
    scores: Mapping[str, Scores] = field(repr=False)
    pairs: tuple[tuple[Pixels, Pixels], ...] = field(default=(), repr=False)
    training_people: TrainingPeople | None = field(default=None, repr=False)

    @property
    def leaks(self) -> bool:
        """True if an attack succeeds after Holm's correction for the number of attacks."""
        return any(attack.p_holm < SIGNIFICANT for attack in self.attacks)

    @property
    def comparable(self) -> bool:
        """False if members and unseen people can be told apart without the generator, so that no figure counts."""
        return self.blind.area.p >= DIFFERENT

    @property
    def strongest(self) -> Attack:
        """The attack whose success is least likely by chance."""
        return min(self.attacks, key=lambda attack: attack.area.p)


def describe_verdict(report: AuditReport) -> str:
    """Say in a sentence or two whether an attack succeeded."""
    if not report.comparable:
        return (
            "No verdict: members and unseen people can be told apart without the generator (area under the ROC curve "
            f"{format_interval(report.blind)}), so they are not of the same source."
        )
    best = report.strongest
    found = f"{best.name}: area under the ROC curve {format_interval(best)}"
    if report.leaks:
        return f"The generator leaks: members of the training data are recognised ({found})."
    return f"No attack recognises members of the training data (the strongest, {found})."


def format_interval(attack: Attack) -> str:
    return f"{attack.area.area:.3f} [{attack.area.low:.3f}, {attack.area.high:.3f}]"


def to_json(report: AuditReport) -> str:
    """Convert the figures of the report to JSON: nothing in it is of one person."""
    return to_json_text(
        {
            "version": 1,
            "notice": NOTICE,
            "verdict": describe_verdict(report),
            "leaks": report.leaks if report.comparable else None,
            "about": report.about,
            "closeness": [asdict(closeness) for closeness in report.closeness],
            "quantiles": QUANTILES,
            "membership": [asdict(attack) for attack in report.attacks],
            "blind": asdict(report.blind),
            "extraction": [asdict(extraction) for extraction in report.extraction],
            "left_out": report.left_out,
        }
    )
