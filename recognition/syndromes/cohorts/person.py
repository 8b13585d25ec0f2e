"""People of a cohort, read from the records of a data set: patients with one syndrome each, and controls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from core.errors import DatasetError
from faces.datasets.records import Record

CONTROLS: Final = ("other", "unaffected")
"""Conditions of people who serve as controls, by default."""


@dataclass(frozen=True, order=True)
class Person:
    """Person with one photograph. People are ordered by their names.

    Attributes:
        person: name of the person, unique in a cohort.
        file: photograph in the data set.
        syndrome: None for a control.
        sex: one of `faces.datasets.records.SEXES`.
        ancestry: in the words of the data set; empty for everybody if it is not compared.
        age: in years.
    """

    person: str
    file: str
    syndrome: str | None
    sex: str
    ancestry: str
    age: float


@dataclass(frozen=True)
class Problem:
    """Problem of a record. A report lists all of them, so that nobody is dropped silently.

    Attributes:
        file: the record.
        person: name of the person; empty if it is not known.
        reason: in words.
        used: True if the record is in the cohort all the same.
    """

    file: str
    person: str
    reason: str
    used: bool = False


@dataclass(frozen=True)
class Cohort:
    """People of a data set in the order of their names, and the problems of the records.

    Attributes:
        persons: everybody once.
        problems: in the order of the files.
    """

    persons: tuple[Person, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def syndromes(self) -> tuple[str, ...]:
        """Names of the syndromes, sorted."""
        return tuple(sorted({one.syndrome for one in self.persons if one.syndrome is not None}))

    @property
    def controls(self) -> tuple[Person, ...]:
        return tuple(one for one in self.persons if one.syndrome is None)

    def patients(self, syndrome: str) -> tuple[Person, ...]:
        """Return the patients with a syndrome.

        Raises:
            DatasetError: nobody has it.
        """
        found = tuple(one for one in self.persons if one.syndrome == syndrome)
        if not found:
            raise DatasetError(
                f"nobody in the cohort has {syndrome!r}; expected one of {', '.join(self.syndromes) or '(none)'}"
            )
        return found


def read_cohort(records: Iterable[Record], *, controls: Collection[str] = CONTROLS, ancestry: bool = True) -> Cohort:
    """Read the people of a data set. The result does not depend on the order of the records.

    Of several pictures of a person the one at the youngest age is used, then the first by its name. A record without
    person counts as a person of its own, and is reported. A record without condition, sex, age or ancestry, and all
    records of a person that contradict each other, are reported and left out.

    Args:
        controls: conditions of the controls.
        ancestry: False if ancestry is neither required nor compared.
    """
    people: dict[str, list[Person]] = defaultdict(list)
    problems = []
    for record in records:
        name = record.person or record.file
        lacking = [what for what in ("condition", "sex") if getattr(record, what) is None]
        lacking += ["age"] * (record.age_years is None) + ["ancestry"] * (ancestry and record.ancestry is None)
        if lacking:
            problems.append(Problem(record.file, record.person or "", f"{' and '.join(lacking)} unknown"))
            continue
        if record.person is None:
            problems.append(Problem(record.file, "", "person unknown; counted as a person of its own", used=True))
        people[name].append(
            Person(
                person=name,
                file=record.file,
                syndrome=None if record.condition in controls else record.condition,
                sex=str(record.sex),
                ancestry=str(record.ancestry) if ancestry else "",
                age=float(record.age_years or 0),
            )
        )
    persons = []
    for name, pictures in sorted(people.items()):
        first, *others = sorted(pictures, key=lambda one: (one.age, one.file))
        if len({(one.syndrome, one.sex, one.ancestry) for one in pictures}) > 1:
            reason = "condition, sex or ancestry differs between the pictures of this person"
            problems += [Problem(one.file, name, reason) for one in pictures]
            continue
        persons.append(first)
        problems += [
            Problem(one.file, name, f"another picture of this person, {first.file}, is used") for one in others
        ]
    return Cohort(tuple(persons), tuple(sorted(problems, key=lambda one: one.file)))
