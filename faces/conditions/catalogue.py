"""Catalogue of genetic conditions: names, identifiers, genes and facial features with their frequency."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

from core.errors import ConfigError, LabelError
from faces.conditions.terms import find_term

CATALOGUE_FILE: Final = Path(__file__).with_name("catalogue.json")

Identifiers: TypeAlias = Mapping[str, Mapping[str, str]]
"""Identifiers of conditions: name of the condition -> database -> identifier with its prefix."""

DATABASES: Final = ("OMIM", "ORPHA", "MONDO")
"""Databases whose identifiers a condition may have."""

_PREFIXES: Final = {"orphanet": "orpha", "mim": "omim"}
"""Other prefixes of the same databases, in small letters."""


@dataclass(frozen=True)
class FacialTerm:
    """Facial feature of a condition.

    Attributes:
        term_id: id of the HPO term.
        frequency: part of the patients who have it, in [0, 1]; None if it is not known.
    """

    term_id: str
    frequency: float | None


@dataclass(frozen=True)
class Condition:
    """Genetic condition, or another entry of a vocabulary such as `unaffected`.

    Attributes:
        name: short name, as vocabularies write it, such as "WS".
        label: full name, such as "Williams syndrome".
        identifiers: database -> identifier with its prefix, such as {"OMIM": "OMIM:194050"}; at most one of each.
        genes: symbols of the genes of which one causes the condition.
        aliases: other names, and identifiers of subtypes.
        terms: facial features.
    """

    name: str
    label: str
    identifiers: Mapping[str, str] = field(default_factory=dict)
    genes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    terms: tuple[FacialTerm, ...] = ()

    def __post_init__(self) -> None:
        for database, identifier in self.identifiers.items():
            if database not in DATABASES or not identifier.startswith(f"{database}:"):
                raise ConfigError(
                    f"condition {self.name!r} has the identifier {database} = {identifier!r}; expected one of "
                    f"{', '.join(DATABASES)} and a value such as 'OMIM:194050'"
                )
        for term in self.terms:
            if term.frequency is not None and not 0 <= term.frequency <= 1:
                raise ConfigError(
                    f"condition {self.name!r} has {term.term_id} with the frequency {term.frequency}; expected 0 to 1"
                )

    def to_json(self) -> dict[str, Any]:
        """Return what identifies the condition, JSON-able: name, label, identifiers and genes."""
        return {
            "name": self.name,
            "label": self.label,
            "identifiers": dict(self.identifiers),
            "genes": list(self.genes),
        }


class Catalogue:
    """Conditions by name, alias and identifier.

    Args:
        conditions: a later one replaces an earlier one of the same name.

    Raises:
        ConfigError: two conditions share an alias or identifier.
    """

    def __init__(self, conditions: tuple[Condition, ...]) -> None:
        self._by_name = {condition.name: condition for condition in conditions}
        self._by_key: dict[str, Condition] = {}
        for condition in self._by_name.values():
            for text in (condition.name, condition.label, *condition.aliases, *condition.identifiers.values()):
                other = self._by_key.setdefault(_normalise(text), condition)
                if other is not condition:
                    raise ConfigError(
                        f"conditions {other.name!r} and {condition.name!r} are both called {text!r}; "
                        "give the alias or identifier to one of them"
                    )

    def get(self, name: str) -> Condition | None:
        """Return the condition of exactly this name, or None."""
        return self._by_name.get(name)

    def identify(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Return the identifiers of those conditions that are found and have any, by the names given."""
        found = {name: self.find(name) for name in names}
        return {name: dict(entry.identifiers) for name, entry in found.items() if entry and entry.identifiers}

    def describe(self, name: str, identifiers: Mapping[str, str]) -> Condition:
        """Describe a condition of a vocabulary: its own identifiers, and what the catalogue says of it besides.

        Args:
            name: name in the vocabulary; aliases do not count.
            identifiers: those that are stored with the vocabulary.
        """
        known = [self.get(name), *(self.find(identifier) for identifier in identifiers.values())]
        entry = next((entry for entry in known if entry is not None), Condition(name, name))
        return replace(entry, name=name, identifiers={**entry.identifiers, **identifiers})

    def __iter__(self) -> Iterator[Condition]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def find(self, name: str) -> Condition | None:
        """Find a condition by its name, label, alias or identifier; return None if there is none.

        Capitals, hyphens, underscores and spaces do not matter.
        """
        return self.get(name) or self._by_key.get(_normalise(name))

    def require(self, name: str) -> Condition:
        """Find a condition as `find` does.

        Raises:
            LabelError: there is none; the message has the closest names.
        """
        condition = self.find(name)
        if condition is None:
            close = difflib.get_close_matches(name, self._by_name, n=3, cutoff=0.5) or [*self._by_name]
            raise LabelError(
                f"condition {name!r} is not in the catalogue; expected a name, alias or identifier, such as "
                f"{', '.join(close)}. Add a condition of your own in a TOML file"
            )
        return condition


def load_catalogue(extra_toml: Path | None = None) -> Catalogue:
    """Load the shipped catalogue, and a laboratory's own conditions after it.

    Args:
        extra_toml: file with one table `[conditions.NAME]` for each condition, with the optional entries `label`,
            `identifiers`, `genes`, `aliases` and `terms`, which maps HPO terms to frequencies (-1 is unknown). A
            condition that has the name of a shipped one replaces it.

    Raises:
        ConfigError: the file cannot be read, or an entry is unknown or of the wrong form.
        LabelError: HPO does not have a term that the file names.
    """
    shipped = _read_shipped()
    return shipped if extra_toml is None else Catalogue((*shipped, *_read_toml(extra_toml)))


def identify_by_name(conditions: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the identifiers of conditions whose names are those of the shipped catalogue.

    Aliases do not count: a vocabulary from elsewhere may mean something else by a name as short as `DS`.
    """
    shipped = _read_shipped()
    return shipped.identify(name for name in conditions if shipped.get(name))


def find_name(name: str, names: Collection[str]) -> str:
    """Find the one of several names that means a condition: this name, or another of the catalogue for the same one.

    Capitals, hyphens, underscores and spaces do not matter.

    Args:
        name: name, label, alias or identifier.
        names: such as those of the conditions of a data set.

    Raises:
        LabelError: none means it.
    """
    if name in names:
        return name
    catalogue = load_catalogue()
    meant, ordered = catalogue.find(name), sorted(names)
    written = [other for other in ordered if _normalise(other) == _normalise(name)]
    for other in written or [other for other in ordered if meant is not None and catalogue.find(other) is meant]:
        return other
    raise LabelError(f"no condition is {name!r}; expected one of {', '.join(sorted(names)) or '(none)'}")


@cache
def _read_shipped() -> Catalogue:
    entries = json.loads(CATALOGUE_FILE.read_text(encoding="utf-8"))["conditions"]
    return Catalogue(tuple(_parse_shipped(entry) for entry in entries))


def _normalise(name: str) -> str:
    text = "".join(letter for letter in name.casefold() if letter not in " -_")
    prefix, colon, number = text.partition(":")
    return _PREFIXES.get(prefix, prefix) + colon + number


def _parse_shipped(entry: Mapping[str, Any]) -> Condition:
    return Condition(
        name=entry["name"],
        label=entry["label"],
        identifiers=entry.get("identifiers", {}),
        genes=tuple(entry.get("genes", ())),
        aliases=tuple(entry.get("aliases", ())),
        terms=tuple(FacialTerm(term, frequency) for term, frequency in entry.get("terms", {}).items()),
    )


def _read_toml(path: Path) -> Iterator[Condition]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["conditions"].items()
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{path} cannot be read as conditions ({error}); expected TOML with a table [conditions.NAME] for each"
        ) from error
    for name, entry in tables:
        yield _parse_own(path, name, entry)


def _parse_own(path: Path, name: str, entry: Mapping[str, Any]) -> Condition:
    where = f"{path}, [conditions.{name}]"
    kinds = {"label": str, "identifiers": dict, "genes": list, "aliases": list, "terms": dict}
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is {entry!r}; expected a table")
    for key, value in entry.items():
        if key not in kinds:
            raise ConfigError(f"{where} has the entry {key!r}; expected {', '.join(kinds)}")
        if not isinstance(value, kinds[key]):
            raise ConfigError(f"{where}: {key} is {value!r}; expected a {kinds[key].__name__}")
    for text in (*entry.get("genes", ()), *entry.get("aliases", ()), *entry.get("identifiers", {}).values()):
        if not isinstance(text, str):
            raise ConfigError(f"{where} has {text!r}; expected text")
    terms = []
    for term, frequency in entry.get("terms", {}).items():
        if isinstance(frequency, bool) or not isinstance(frequency, int | float):
            raise ConfigError(f"{where}: {term} has the frequency {frequency!r}; expected 0 to 1, or -1 for unknown")
        terms.append(FacialTerm(find_term(term).term.id, None if frequency == -1 else float(frequency)))
    return Condition(
        name=name,
        label=entry.get("label", name),
        identifiers=entry.get("identifiers", {}),
        genes=tuple(entry.get("genes", ())),
        aliases=tuple(entry.get("aliases", ())),
        terms=tuple(terms),
    )
