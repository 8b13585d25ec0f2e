"""People of a cohort, read from the records of a data set: patients with one syndrome each, and controls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from core.errors import DatasetError
from faces.conditions.catalogue import find_name
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
        absent: syndromes that records name, but of which no patient can be used.
    """

    persons: tuple[Person, ...]
    problems: tuple[Problem, ...] = ()
    absent: tuple[str, ...] = ()

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


def find_controls(names: Iterable[str], records: Iterable[Record]) -> tuple[str, ...]:
    """Find the conditions of the controls among those of a data set, by the names that the catalogue knows too.

    Raises:
        LabelError: nobody has a condition of this name; those of `CONTROLS` need not be there.
    """
    conditions = {record.condition for record in records if record.condition is not None}
    return tuple(name if name in CONTROLS else find_name(name, conditions) for name in names)


def read_cohort(
    records: Iterable[Record],
    *,
    controls: Collection[str] = CONTROLS,
    ancestry: bool = True,
    failures: Mapping[str, str] | None = None,
) -> Cohort:
    """Read the people of a data set. The result does not depend on the order of the records.

    Of several pictures of a person whose faces can be used, the one at the youngest age is taken, then the first by its
    name. A record without person counts as a person of its own, and is reported. A record without condition, sex, age
    or ancestry, and all records of a person that contradict each other, are reported and left out.

    Args:
        controls: conditions of the controls.
        ancestry: False if ancestry is neither required nor compared.
        failures: reason for each file whose face cannot be used.
    """
    failures = failures or {}
    syndromes = set()
    people: dict[str, list[Person]] = defaultdict(list)
    problems = []
    for record in records:
        name = record.person or record.file
        if record.condition is not None and record.condition not in controls:
            syndromes.add(record.condition)
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
    persons = [
        one
        for _, pictures in sorted(people.items())
        if (one := _choose_picture(pictures, failures, problems)) is not None
    ]
    absent = syndromes - {one.syndrome for one in persons}
    return Cohort(tuple(persons), tuple(sorted(problems, key=lambda one: one.file)), tuple(sorted(absent)))


def _choose_picture(pictures: list[Person], failures: Mapping[str, str], problems: list[Problem]) -> Person | None:
    """Choose the picture of a person that counts, if any, and add what is wrong with the others to the problems."""
    name = pictures[0].person
    if len({(one.syndrome, one.sex, one.ancestry) for one in pictures}) > 1:
        reason = "condition, sex or ancestry differs between the pictures of this person"
        problems += [Problem(one.file, name, reason) for one in pictures]
        return None
    problems += [Problem(one.file, name, failures[one.file]) for one in pictures if one.file in failures]
    usable = [one for one in pictures if one.file not in failures]
    if not usable:
        return None
    first, *others = sorted(usable, key=lambda one: (one.age, one.file))
    problems += [Problem(one.file, name, f"another picture of this person, {first.file}, is used") for one in others]
    return first
