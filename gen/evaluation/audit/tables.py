"""Tables of a leakage audit, as rows whose first is the header; the page and the card show them."""

from __future__ import annotations

from gen.evaluation.audit.membership import Attack
from gen.evaluation.audit.report import AuditReport, format_interval

Rows = list[list[str]]


def list_attacks(report: AuditReport) -> Rows:
    """List the membership attacks, and the one that knows no generator last."""
    rates = sorted({rate.false_positives for attack in report.attacks for rate in attack.rates}, reverse=True)
    rows = [
        ["membership by", "members, unseen", "area under the ROC curve", "p (Holm)"]
        + [f"members found at {100 * rate:g} % false positives" for rate in rates]
    ]
    for attack in (*report.attacks, report.blind):
        rows.append(
            [attack.name, f"{attack.members}, {attack.unseen}", format_interval(attack), f"{attack.p_holm:.2g}"]
            + [_format_rate(attack, rate) for rate in rates]
        )
    return rows


def list_closeness(report: AuditReport) -> Rows:
    """List how near the images are to training people, by measure."""
    rows = [
        [
            "nearest training person by",
            "median: images, unseen",
            "nearer than 99 % of unseen",
            "p",
            "persons, by chance",
        ]
    ]
    for c in report.closeness:
        rows.append(
            [
                c.measure,
                f"{c.image_quantiles[2]:.3g}, {c.unseen_quantiles[2]:.3g}",
                _format_share(c.share, c.low, c.high),
                f"{c.p:.2g}",
                f"{c.persons}, {c.persons_by_chance}",
            ]
        )
    return rows


def list_extraction(report: AuditReport) -> Rows:
    """List the groups of near-duplicates and the training persons in them, by measure."""
    rows = [["near-duplicates by", "groups, by chance", "images in groups", "training persons in them"]]
    for e in report.extraction:
        rows.append([e.measure, f"{e.groups}, {e.groups_by_chance}", f"{e.grouped} of {e.images}", str(e.persons)])
    return rows


def _format_rate(attack: Attack, false_positives: float) -> str:
    for rate in attack.rates:
        if rate.false_positives == false_positives:
            return _format_share(rate.rate, rate.low, rate.high)
    return "too few unseen"


def _format_share(share: float, low: float, high: float) -> str:
    return f"{100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
