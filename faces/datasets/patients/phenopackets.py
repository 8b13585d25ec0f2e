"""Reader of phenopackets (GA4GH, version 2): a folder of JSON files, one JSON file, or one packet a line.

Of a packet are read: `subject` with age, age range and sex; `diseases`, or the diagnosis of its interpretations;
`phenotypicFeatures`, excluded ones too; and `files` that are pictures. Each picture is a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from core.errors import DatasetError
from faces.datasets.patients.source_rows import SourceRow, read_text

SUFFIXES: Final = (".json", ".jsonl", ".ndjson")

PACKET_ID: Final = "phenopacket_id"
"""Column of the id of the packet; the person is the subject."""

AGE_RANGE: Final = "age_range"
"""Column of a range of ages, as two durations of ISO 8601 with a slash between."""

_PICTURES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_SEXES: Final = {"FEMALE": "female", "MALE": "male", "OTHER_SEX": "other"}


def read_phenopackets(path: Path) -> Iterator[SourceRow]:
    """Read every packet of a file or of a folder; a packet that cannot be used is a row with a problem.

    Raises:
        DatasetError: the file cannot be read, or the folder has none.
    """
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise DatasetError(f"{path} holds no phenopackets; expected files that end in {', '.join(SUFFIXES)}")
    for file in files:
        for line, packet in _parse_file(file):
            yield from _read_packet(str(file), line, packet)


def _parse_file(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the line and the JSON value of each packet, or of the exception that says why it has none."""
    text = read_text(path)
    if path.suffix == ".json":
        value = _parse(text)
        yield from ((1, packet) for packet in (value if isinstance(value, list) else [value]))
        return
    for line, packet in enumerate(text.splitlines(), 1):
        if packet.strip():
            yield line, _parse(packet)


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return error


def _read_packet(source: str, line: int, packet: Any) -> Iterator[SourceRow]:
    if isinstance(packet, Exception):
        yield SourceRow(source, line, {}, f"is not JSON ({packet})")
        return
    try:
        files = _list(packet, "files")
        cells, problem = _describe(packet)
        pictures = [uri for file in files if (uri := _picture(file)) is not None]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield SourceRow(source, line, {}, f"is not a phenopacket ({error!r}); expected version 2 of the schema")
        return
    if not pictures:
        yield SourceRow(source, line, cells, problem or f"has no picture among its files; expected {_PICTURES}")
    for picture in pictures:
        yield SourceRow(source, line, cells | {"file": picture}, problem)


def _describe(packet: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Return the cells of a packet, and the problem with it, if there is one."""
    subject = packet.get("subject", {})
    features = _list(packet, "phenotypicFeatures", "phenotypic_features")
    diseases = [disease["term"] for disease in _list(packet, "diseases") if not disease.get("excluded", False)]
    if not diseases:
        diagnoses = [entry.get("diagnosis", {}) for entry in _list(packet, "interpretations")]
        diseases = [diagnosis["disease"] for diagnosis in diagnoses if "disease" in diagnosis]
    named = {str(disease["id"]): f"{disease['id']} {disease.get('label', '')}".strip() for disease in diseases}
    age, age_range = _age(subject)
    cells = {
        PACKET_ID: str(packet["id"]),
        "person": str(subject.get("id", packet["id"])),
        "sex": _SEXES.get(subject.get("sex", ""), ""),
        "age_years": age,
        AGE_RANGE: age_range,
        "disease": next(iter(named.values()), ""),
        "present": ";".join(_ids(features, excluded=False)),
        "absent": ";".join(_ids(features, excluded=True)),
    }
    if len(named) > 1:
        return cells, f"has {len(named)} diseases ({'; '.join(named.values())}); expected one"
    return cells, ""


def _age(subject: Mapping[str, Any]) -> tuple[str, str]:
    """Return the age and the range of ages of a subject as ISO 8601; each is empty if it is not given."""
    when = subject.get("timeAtLastEncounter", subject.get("time_at_last_encounter", {}))
    if (period := when.get("ageRange", when.get("age_range"))) is not None:
        return "", f"{_duration(period['start'])}/{_duration(period['end'])}"
    return (_duration(when["age"]), "") if "age" in when else ("", "")


def _duration(age: Mapping[str, Any]) -> str:
    return str(age.get("iso8601duration") or age["iso8601_duration"])


def _ids(features: list[Any], *, excluded: bool) -> Iterator[str]:
    for feature in features:
        if bool(feature.get("excluded", False)) == excluded:
            yield str(feature["type"]["id"])


def _picture(file: Mapping[str, Any]) -> str | None:
    """Return the path of a file that is a picture; None for another file."""
    attributes = file.get("fileAttributes", file.get("file_attributes", {}))
    address = urlsplit(str(file["uri"]))
    path = unquote(address.netloc + address.path)
    kind = str(attributes.get("mimeType", attributes.get("mime_type", "")))
    is_picture = kind.startswith("image/") or (not kind and PurePosixPath(path).suffix.lower() in _PICTURES)
    return (path if address.scheme in ("", "file") else str(file["uri"])) if is_picture else None


def _list(packet: Mapping[str, Any], *names: str) -> list[Any]:
    found: Any = next((packet[name] for name in names if name in packet), [])
    if not isinstance(found, list):
        raise TypeError(f"{names[0]} is {found!r:.40}; expected a list")
    return found
