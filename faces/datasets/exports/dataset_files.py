"""Metadata files of a data set: what is written for a data set, and how its table is described."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from core.errors import DatasetError
from faces.conditions.catalogue import Catalogue
from faces.datasets.dataset import TABLE, Dataset
from faces.datasets.exports.croissant import Column, write_croissant
from faces.datasets.exports.dataset_card import write_card
from faces.datasets.exports.gestaltmatcher_table import write_gestaltmatcher
from faces.datasets.exports.phenopacket_lines import write_phenopackets
from faces.datasets.exports.set_description import SYNTHETIC_NOTICE, ListedFile, SetDescription, list_folder
from faces.datasets.records import PHANTOMS

Individuals: TypeAlias = Literal["real", "synthetic"]
"""Whether the people of phenopackets exist."""

CROISSANT, CARD, GESTALTMATCHER, PHENOPACKETS = (
    "croissant.json",
    "README.md",
    "image_metadata.tsv",
    "phenopackets.jsonl",
)
"""Names of the files."""

_MEANINGS: Final[Mapping[str, tuple[str, str]]] = {
    "file": ("sc:Text", "Name of the picture."),
    "condition": ("sc:Text", "Condition, one of the record set conditions; empty if it is not known."),
    "age_years": ("sc:Float", "Age in years."),
    "age_group": ("sc:Text", "Age group."),
    "expression": ("sc:Float", "Smile from 0 (none) to 1 (full)."),
    "person": ("sc:Text", "Identifier of the person, equal for pictures of the same person."),
    "source": ("sc:Text", "Where the picture comes from."),
    "licence": ("sc:Text", "Licence of the picture."),
    "sex": ("sc:Text", "Sex: female, male or other."),
    "ancestry": ("sc:Text", "Ancestry, in the words of the source."),
    "present": ("sc:Text", "HPO terms that were observed, with semicolons between."),
    "absent": ("sc:Text", "HPO terms that were looked for and not found, with semicolons between."),
    "disease": ("sc:Text", "Disease as the source names it."),
    "age_source": ("sc:Text", "Empty for an age as given; range or estimated."),
}

_KEPT: Final = ("sc:Text", "Column of the source, kept as it is.")


def describe_dataset(
    data: Dataset, catalogue: Catalogue, *, name: str | None = None, licence: str | None = None
) -> SetDescription:
    """Describe a data set.

    Args:
        name: name of the set; None takes the file's.
        licence: licence of the pictures; None takes what the records say.
    """
    drawn = all(record.source == PHANTOMS for record in data.records)
    licences = dict.fromkeys(record.licence for record in data.records if record.licence)
    what = "phantoms: faces that a program drew" if drawn else "aligned faces"
    return SetDescription(
        name=name or data.path.stem,
        summary=f"{len(data)} pictures of {what}, with condition and age, for research in medical genetics.",
        notice=SYNTHETIC_NOTICE
        if drawn
        else "Pictures may show patients: respect their consent. No basis for a diagnosis.",
        licence=licence or ", ".join(licences),
        creator="gestaltgen",
        synthetic=drawn,
        size=data.size,
        conditions=tuple(catalogue.describe(entry, data.identifiers.get(entry, {})) for entry in data.conditions),
        records=data.records,
    )


def write_dataset_files(
    data: Dataset, about: SetDescription, path: str, individuals: Individuals | None = None
) -> dict[str, str]:
    """Return the text of each metadata file by its name; phenopackets only if it is said whether the people exist.

    Args:
        path: path of the data set, relative to the folder of the files.

    Raises:
        DatasetError: the set has no table, or phantoms are said to be real people.
    """
    files = {
        CROISSANT: _write_croissant(data, about, path),
        CARD: write_card(about),
        GESTALTMATCHER: write_gestaltmatcher(about),
    }
    if individuals == "real" and about.synthetic:
        raise DatasetError(f"{data.path} shows phantoms; expected individuals that are synthetic, not real")
    if individuals is not None:
        people = about if individuals == "real" else about.as_synthetic()
        files[PHENOPACKETS] = "".join(write_phenopackets(people, data.ages))
    return files


def _write_croissant(data: Dataset, about: SetDescription, path: str) -> str:
    table = data.other_file(TABLE)
    if table is None:
        raise DatasetError(f"{data.path} has no {TABLE}; expected a set that `gestaltgen dataset` made")
    zipped = data.path.is_file()
    header = next(csv.reader(io.StringIO(table.decode("utf-8-sig"))))
    place, digest = TABLE if zipped else f"{path}/{TABLE}", hashlib.sha256(table).hexdigest()
    return write_croissant(
        about,
        [Column(name, *_MEANINGS.get(name, _KEPT)) for name in header],
        ListedFile(place, "text/csv", digest, "Table of the pictures."),
        "*/*.png",
        container=_list_zip(data.path, path) if zipped else _list_folder(data, path),
        table_in_container=zipped,
    )


def _list_zip(archive: Path, path: str) -> ListedFile:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ListedFile(path, "application/zip", digest, "Zip of the data set.")


def _list_folder(data: Dataset, path: str) -> ListedFile:
    files = (record.file for record in data.records)
    return list_folder(path, {file: hashlib.sha256((data.path / file).read_bytes()).hexdigest() for file in files})
