"""HPO terms that tell conditions apart: a chi-square test of each term, and a map of the persons by their terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from core.statistics.multiple_tests import holm
from faces.conditions.terms import find_term
from faces.datasets.records import Record
from recognition.explanation.questions.group_size import refuse_small_group


@dataclass(frozen=True)
class TermTest:
    """Chi-square test whether a term is equally frequent in all conditions.

    Attributes:
        term, label: id and name.
        shares: share of the persons with the term, by condition, as text.
        statistic, p: of the test, without correction for continuity.
        holm: p after Holm's correction over the terms.
    """

    term: str
    label: str
    shares: str
    statistic: float
    p: float
    holm: float


def collect_terms(records: Sequence[Record]) -> tuple[list[str], list[str], npt.NDArray[np.bool_]]:
    """Return the condition of each person, the ids of all terms, and which person has which, (persons, terms)."""
    present: dict[str, set[str]] = {}
    conditions: dict[str, str] = {}
    for record in records:
        if record.condition is not None:
            person = record.person or record.file
            conditions[person] = record.condition
            present.setdefault(person, set()).update(record.present)
    terms = sorted(set().union(*present.values()))
    vectors = np.array([[term in own for term in terms] for own in present.values()], dtype=bool)
    return list(conditions.values()), terms, vectors.reshape(len(present), len(terms))


def compare_terms(records: Sequence[Record]) -> tuple[TermTest, ...]:
    """Test each term that some but not all persons have; the smallest p first.

    Raises:
        DatasetError: a condition has fewer than five persons.
    """
    from scipy.stats import chi2_contingency  # takes 2 seconds

    conditions, terms, vectors = collect_terms(records)
    names = list(dict.fromkeys(conditions))
    members = {name: np.array([condition == name for condition in conditions]) for name in names}
    for name, inside in members.items():
        refuse_small_group(name, [str(row) for row in np.flatnonzero(inside)])
    results = []
    for column, term in enumerate(terms):
        counts = np.array([[vectors[inside, column].sum(), inside.sum()] for inside in members.values()])
        table = np.stack([counts[:, 0], counts[:, 1] - counts[:, 0]])
        if len(names) > 1 and table.sum(axis=1).all():
            statistic, p, *_ = chi2_contingency(table, correction=False)
            shares = "; ".join(f"{name} {a / n:.0%}" for name, (a, n) in zip(names, counts, strict=True))
            label = find_term(term).term.label
            results.append(TermTest(term, label, shares, float(statistic), float(p), float(p)))
    corrected = holm([result.p for result in results])
    tested = [replace(result, holm=p) for result, p in zip(results, corrected, strict=True)]
    return tuple(sorted(tested, key=lambda result: result.p))


def map_persons(records: Sequence[Record], seed: int = 0) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Return the condition of each person, and places (persons, 2) by t-SNE of their vectors of terms.

    Raises:
        DatasetError: fewer than five persons.
    """
    from sklearn.manifold import TSNE  # takes seconds

    conditions, _, vectors = collect_terms(records)
    refuse_small_group("of all persons", [str(row) for row in range(len(conditions))])
    perplexity = min(30.0, (len(conditions) - 1) / 3)
    places = TSNE(perplexity=perplexity, init="random", random_state=seed).fit_transform(vectors.astype(np.float64))
    return conditions, np.asarray(places, dtype=np.float64)
