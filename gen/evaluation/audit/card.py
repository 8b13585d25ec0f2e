"""Section of a model card about the leakage audit, in Markdown between two comments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from core.atomic_files import write_file
from core.errors import ConfigError
from gen.evaluation.audit.report import NOTICE, AuditReport, describe_verdict
from gen.evaluation.audit.tables import Rows, list_attacks, list_closeness, list_extraction

_BEGIN: Final = "<!-- leakage audit -->"
_END: Final = "<!-- end of the leakage audit -->"


def format_section(report: AuditReport) -> str:
    """Format the section."""
    about = report.about
    people, data = about["people"], about["data"]
    lines = [
        _BEGIN,
        f"**Leakage audit** by `gestaltgen weights audit`, seed {about['seed']}, truncation {about['truncation']:g}. "
        f"{describe_verdict(report)} The audit used {data['images']} training images, {100 * data['covered']:.1f} % of "
        f"those that the checkpoint lists; {people['members']} members and {people['unseen']} unseen people, one "
        f"picture each; and {about['images']} generated images. Intervals are of 95 %. {NOTICE}",
        "",
        _format_table(list_attacks(report)),
        "",
        _format_table(list_closeness(report)),
        "",
        _format_table(list_extraction(report)),
        _END,
    ]
    return "\n".join(lines)


@dataclass(frozen=True)
class CardSection:
    """Place of the section in a card: the one that the card has, otherwise its end.

    Attributes:
        card: file of the card, which need not exist.
        before, after: text around the section.
    """

    card: Path
    before: str
    after: str

    @classmethod
    def find(cls, card: Path) -> Self:
        """Find the section.

        Raises:
            ConfigError: the card cannot be read, or does not have both comments once, in their order.
        """
        try:
            text = card.read_text(encoding="utf-8") if card.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{card} cannot be read ({error}); expected a model card in Markdown") from None
        if _BEGIN not in text and _END not in text:
            return cls(card, f"{text.rstrip()}\n\n".lstrip(), "\n")
        before, begin, rest = text.partition(_BEGIN)
        section, end, after = rest.partition(_END)
        if not begin or not end or _BEGIN in section + after or _END in before + after:
            raise ConfigError(f"{card} does not have {_BEGIN} once and {_END} once after it; correct or delete them")
        return cls(card, before, after)

    def write(self, report: AuditReport) -> None:
        """Write the card with the section about a report."""
        write_file(self.card, f"{self.before}{format_section(report)}{self.after}".encode())


def _format_table(rows: Rows) -> str:
    head, *body = rows
    return "\n".join([_format_row(head), "|" + "---|" * len(head), *(_format_row(row) for row in body)])


def _format_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
