"""Metadata of a complete image set in formats of the field: Croissant, a data-set card, GestaltMatcher, phenopackets.

The same set always gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import IO, Any, Final

from api.image_sets.storage import ImageSetStore, Line
from api.models.model import ModelInfo
from api.provenance.claims import NOTICE, this_software
from faces.conditions.catalogue import load_catalogue
from faces.datasets.exports.croissant import Column, write_croissant
from faces.datasets.exports.dataset_card import write_card
from faces.datasets.exports.gestaltmatcher_table import write_gestaltmatcher
from faces.datasets.exports.phenopacket_lines import write_phenopackets
from faces.datasets.exports.set_description import ListedFile, SetDescription, list_folder
from faces.datasets.records import Record
from faces.labels import AgeGroup

_COLUMNS: Final = (
    Column("index", "sc:Integer", "Place of the picture in the set, from 0."),
    Column("file", "sc:Text", "Name of the picture."),
    Column("condition", "sc:Text", "Condition, one of the record set conditions; of a blend, the first."),
    Column("age_group", "sc:Text", "Age group."),
    Column("person", "sc:Text", "Random vector: pictures of one person share it."),
    Column("seed", "sc:Text", "Seed of the random vector."),
    Column("soft_label", "sc:Float", "Weight of each condition of the generator.", repeated=True),
    Column("sha256", "sc:Text", "Checksum of the picture's file."),
)
"""Columns of the manifest that are described."""


class SetMetadata:
    """Writer of the metadata of complete image sets.

    Args:
        store: holds the sets.
        model: the model that made the sets.
    """

    def __init__(self, store: ImageSetStore, model: ModelInfo) -> None:
        self._store = store
        self._model = model

    def croissant(self, set_id: str, file: IO[bytes], archive_sha256: str | None = None) -> None:
        """Write Croissant metadata, which name the set's pictures and manifest as files beside them.

        Args:
            archive_sha256: checksum of the set's `archive.zip`; None takes the pictures from the metadata's folder.
        """
        manifest = hashlib.sha256(self._store.manifest_file(set_id)).hexdigest()
        if archive_sha256 is None:
            container, pictures = self._list_folder(set_id), "images/*.png"
        else:
            container = ListedFile("archive.zip", "application/zip", archive_sha256, "All pictures, with the request.")
            pictures = f"{set_id}/images/*.png"
        text = write_croissant(
            self._describe(set_id),
            _COLUMNS,
            ListedFile("manifest.jsonl", "application/jsonlines", manifest, "A line for each picture."),
            pictures,
            container=container,
            table_in_container=False,
        )
        file.write(text.encode())

    def _list_folder(self, set_id: str) -> ListedFile:
        sums = {str(line["file"]): str(line["sha256"]) for line in self._store.manifest(set_id)}
        return list_folder(".", sums)

    def card(self, set_id: str, file: IO[bytes]) -> None:
        """Write the data-set card of Hugging Face."""
        file.write(write_card(self._describe(set_id)).encode())

    def gestaltmatcher(self, set_id: str, file: IO[bytes]) -> None:
        """Write the table in the columns of GestaltMatcher."""
        file.write(write_gestaltmatcher(self._describe(set_id)).encode())

    def phenopackets(self, set_id: str, file: IO[bytes]) -> None:
        """Write phenopackets, which say that their people do not exist."""
        ages = [AgeGroup(age.name, age.from_years, age.to_years or math.inf) for age in self._model.ages]
        for line in write_phenopackets(self._describe(set_id), ages):
            file.write(line.encode())

    def _describe(self, set_id: str) -> SetDescription:
        model, catalogue, request = self._model, load_catalogue(), self._store.request(set_id)
        resolved: Mapping[str, Any] = {} if request is None else request.resolved
        lines = self._store.manifest(set_id)
        return SetDescription(
            name=set_id,
            summary=f"{len(lines)} synthetic faces with condition and age, made by the generator {model.name} "
            f"(kind {resolved.get('kind')}).",
            notice=NOTICE,
            licence=model.licence,
            creator=this_software(),
            synthetic=True,
            size=model.resolution,
            conditions=tuple(catalogue.describe(name, model.identifiers.get(name, {})) for name in model.conditions),
            records=tuple(_to_record(line) for line in lines),
            details={
                "weights_sha256": model.weights_sha256,
                "origin of the weights": model.origin,
                "request": f"`{json.dumps(dict(resolved), separators=(',', ':'))}`",
            },
        )


def _to_record(line: Line) -> Record:
    return Record(
        file=line["file"], condition=line["condition"], age_group=line["age_group"], person=str(line["person"])
    )
